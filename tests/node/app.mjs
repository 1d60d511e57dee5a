/* An app of ES modules, for preload.test.cjs. */
import {createServer} from 'node:http';

const server = createServer((request, response) => response.end(request.url.slice(1)));

server.listen(0, process.env.HOST, () => {
	process.send({at: {host: process.env.HOST, port: server.address().port}});
});
