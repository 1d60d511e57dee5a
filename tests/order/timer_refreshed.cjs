// A timer that is refreshed begins anew.
const { say } = require('./say.cjs');
const first = setTimeout(say, 40, 'refreshed');

setTimeout(() => {
	say('refresh');
	first.refresh();
}, 20);
setTimeout(say, 50, 'in between');
