// The longest timer that both have, some 24 days, waits.
const { say } = require('./say.cjs');
const longest = setTimeout(say, 2 ** 31 - 1, 'longest');

setTimeout(() => {
	say('short');
	clearTimeout(longest);
}, 5);
