// A worker thread that loads the addon by itself (plain JavaScript, no loader) and multiplies matrices until told to
// stop. The answer it checks is its own number, so that slots mixed up between environments would show.

import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

const addon = createRequire(import.meta.url)(workerData.path);
const n = 128;
const matmul = addon.ops.indexOf('matmul');

function upload(data) {
  addon.args.set([n, n]);
  return addon.fromData(0, 2, data);
}

function multiply(a, b) {
  addon.args.set([a, b, 0, 0, 0]);
  addon.run(matmul, 2, 3);
  return addon.args[0];
}

const identity = new Float32Array(n * n);
for (let i = 0; i < n; i++) identity[i * (n + 1)] = 1;
const one = upload(identity);
let y = upload(new Float32Array(n * n).fill(workerData.number));

for (let round = 0; workerData.endless || round < 30; round++) {
  for (let i = 0; i < 20; i++) {
    const next = multiply(y, one);
    addon.free(y);
    y = next;
  }
  const values = new Float32Array(await addon.read(y));
  if (values.some((v) => v !== workerData.number))
    throw new Error(`worker ${workerData.number} read ${values[0]}`);
  parentPort.postMessage({ round, tensors: addon.memory().tensors });
}
