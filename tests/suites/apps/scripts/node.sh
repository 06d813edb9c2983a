# Needs: node npm
# Figure: node-e node -e
# Figure: npm-version npm --version
# Figure: node-http node's http, 10 connections (a request)
. "$(dirname "$0")/../timing.bash"
figure node-e 1 node -e 'console.log([1, 2, 3].map(n => n * n).join())'
figure npm-version 1 npm --version
cat > server.js <<'J'
const http = require('http');
const agent = new http.Agent({ keepAlive: true, maxSockets: 10 });
const server = http.createServer((request, response) => response.end('you asked for ' + request.url));
const get = (port, path) => new Promise((done, failed) => http.get({ port, path, agent, host: '127.0.0.1' }, response => {
  let text = ''; response.on('data', piece => text += piece); response.on('end', () => done(text));
}).on('error', failed));
server.listen(0, '127.0.0.1', async () => {
  const port = server.address().port, begin = process.hrtime.bigint(), count = 1000;
  const answers = await Promise.all(Array.from({ length: count }, (_, n) => get(port, '/' + n)));
  console.log('@node-http ' + (process.hrtime.bigint() - begin) / BigInt(count));
  console.log(answers.filter((text, n) => text === 'you asked for /' + n).length, 'right');
  agent.destroy(); server.close();
});
J
node server.js
