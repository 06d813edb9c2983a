# Needs: node
cat > t.js <<'J'
const fs = require('fs'), http = require('http'), cp = require('child_process'), crypto = require('crypto'), zlib = require('zlib'), { Worker, isMainThread, parentPort } = require('worker_threads'), net = require('net'), os = require('os');
if (!isMainThread) { parentPort.on('message', m => { parentPort.postMessage(m * 2); parentPort.close(); }); return; }
(async () => {
  fs.mkdirSync('d/e', { recursive: true }); fs.writeFileSync('d/e/f', 'text'); console.log(fs.readdirSync('d', { recursive: true }), await fs.promises.readFile('d/e/f', 'utf8'));
  console.log(cp.execSync('echo sync').toString().trim(), await new Promise(r => cp.spawn('sh', ['-c', 'exit 3']).on('exit', r)));
  const w = new Worker(__filename); w.postMessage(21); console.log(await new Promise(r => w.on('message', r)));
  const s = http.createServer((q, r) => { r.end('path ' + q.url); }); await new Promise(r => s.listen(0, '127.0.0.1', r)); console.log(await (await fetch(`http://127.0.0.1:${s.address().port}/x`)).text()); s.close(); s.closeAllConnections();
  console.log(crypto.createHash('sha256').update('x').digest('hex').slice(0, 8), zlib.gunzipSync(zlib.gzipSync('zip')).toString(), (await new Promise((r, j) => crypto.pbkdf2('p', 's', 10, 8, 'sha1', (e, k) => r(k)))).toString('hex'));
  const u = net.createServer(c => c.end('unix')); await new Promise(r => u.listen('./sock', r)); console.log(await new Promise(r => net.connect('./sock').on('data', d => r(d.toString())))); u.close();
  process.on('SIGUSR2', () => { console.log('usr2'); }); process.kill(process.pid, 'SIGUSR2'); await new Promise(r => setTimeout(r, 50));
  const watcher = fs.watch('.'); const seen = new Promise(r => watcher.once('change', (k, f) => r(f))); fs.writeFileSync('watched', ''); console.log(await seen); watcher.close();
  try { fs.readFileSync('nothing'); } catch (e) { console.log(e.code); } const child = cp.fork(process.argv[1], ['child']); child.on('message', m => { console.log(m); child.disconnect(); process.exitCode = 5; });
})();
if (process.argv[2] === 'child') { process.send('ipc'); }
J
sed -i '1a if (process.argv[2] === "child") { process.send("ipc"); process.on("disconnect", () => process.exit()); return; }' t.js
node t.js; echo $?; node -p '[1,2,3].map(x => x ** 2)'; echo 'console.log(process.argv.length)' | node - a b; node --input-type=module -e 'import fs from "fs"; console.log(typeof fs)'; npm --version >/dev/null && echo npm
