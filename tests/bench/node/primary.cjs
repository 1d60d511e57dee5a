// primary: what people write by hand: Node's own cluster, a worker that died is replaced, and HUP
// replaces all, one after the other, each old one asked to go when its successor listens.
'use strict';

const cluster = require('node:cluster');
const path = require('node:path');

const n = Number(process.env.WORKERS);
const wanted = new Set();

function start(then) {
	const worker = cluster.fork();

	wanted.add(worker);
	worker.once('listening', () => then && then());
}

function replaceAll() {
	const old = [...wanted];

	(function next() {
		const worker = old.shift();

		if (!worker) {
			console.log('replaced');
			return;
		}
		start(() => {
			wanted.delete(worker);
			worker.disconnect();
			next();
		});
	})();
}

cluster.setupPrimary({ exec: path.join(__dirname, `${process.env.APP}.cjs`) });
cluster.on('exit', (worker) => {
	if (wanted.delete(worker))
		start();
});
process.on('SIGHUP', replaceAll);
process.on('SIGTERM', () => {
	for (const worker of Object.values(cluster.workers))
		worker.process.kill('SIGKILL');
	process.exit(0);
});
for (let i = 0; i < n; i++)
	start();
