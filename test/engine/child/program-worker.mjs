// A worker thread that records a program on the addon itself (plain JavaScript, no loader) and replays it until told to
// stop: y = (x W) + number, with W the identity, checked in every run.

import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

const addon = createRequire(import.meta.url)(workerData.path);
const n = 96;
const [matmul, add] = ['matmul', 'add'].map((name) => addon.ops.indexOf(name));

function upload(data) {
  addon.args.set([n, n]);
  return addon.fromData(0, 2, data);
}

function call(op, inputs, attrs) {
  addon.args.set([...inputs, ...attrs]);
  addon.run(op, inputs.length, attrs.length);
  return addon.args[0];
}

const identity = new Float32Array(n * n);
for (let i = 0; i < n; i++) identity[i * (n + 1)] = 1;
const w = upload(identity);

addon.beginCapture();
addon.args.set([n, n]);
const x = addon.placeholder(0, 2);
const product = call(matmul, [x, w], [0, 0, 0]);
const y = call(add, [product], [1, workerData.number]);
addon.free(product);
addon.args[0] = y;
const program = addon.endCapture(1);
addon.free(x);
addon.free(y);

let value = 0;
let last = upload(new Float32Array(n * n));
for (let round = 0; workerData.endless || round < 20; round++) {
  for (let i = 0; i < 20; i++) {
    addon.args[0] = last;
    addon.runProgram(program, 1, 0);
    const next = addon.args[0];
    addon.free(last);
    last = next;
    value += workerData.number;
  }
  const values = new Float32Array(await addon.read(last));
  if (values.some((v) => v !== value)) throw new Error(`worker ${workerData.number} read ${values[0]}`);
  parentPort.postMessage({ round });
}
