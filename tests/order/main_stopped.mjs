// A main task that is stopped before its end does not matter.
import { setTimeout as sleep } from 'timers/promises';
import { say } from './say.cjs';

setTimeout(() => {
	say('stop');
	process.exit(4);
}, 5);
await sleep(5000);
say('never');
