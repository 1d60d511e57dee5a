// When the main task has ended the run goes on until nothing is left: 0.
import { setTimeout as sleep } from 'timers/promises';
import { say } from './say.cjs';

setTimeout(say, 20, 'timer');
await sleep(5);
say('main ends');
