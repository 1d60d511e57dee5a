// An error of the main task ends it with 1, and nothing more runs.
import { setTimeout as sleep } from 'timers/promises';
import { say } from './say.cjs';

setTimeout(say, 1000, 'never');
await sleep(5);
say('main fails');
throw new Error('wanted');
