// So does the end of a child.
const child_process = require('child_process');
const { say, spin } = require('./say.cjs');
const child = child_process.spawn('sh', ['-c', 'exit 3'], { stdio: 'ignore' });

child.on('exit', (code) => {
	say('exit ' + code);
	setTimeout(say, 0, 'timer');
	setImmediate(say, 'immediate');
	process.nextTick(say, 'tick');
	spin(10);
});
say('main');
