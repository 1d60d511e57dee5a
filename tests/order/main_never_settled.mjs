// A main task that waits for what never comes: 13, when nothing is left.
import { setTimeout as sleep } from 'timers/promises';
import { say } from './say.cjs';

let second;

async function wait() {
	await sleep(5);
	say('waits for the second');
	await second;
}

setTimeout(say, 20, 'timer');
const first = wait();
second = (async () => { await first; })();
await second;
say('never');
