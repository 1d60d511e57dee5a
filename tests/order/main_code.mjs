// The main task says with which code.
import { setTimeout as sleep } from 'timers/promises';
import { say } from './say.cjs';

setTimeout(say, 20, 'timer');
await sleep(5);
say('main ends');
process.exitCode = 7;
