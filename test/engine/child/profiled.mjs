// Runs two products and a program, twice, and reads a result, so that a profile of this process has something to show.
// Usage: node profiled.mjs ADDON

import { createRequire } from 'node:module';

const addon = createRequire(import.meta.url)(process.argv[2]);
const run = (name, slots, attrs) => {
  addon.args.set([...slots, ...attrs]);
  addon.run(addon.ops.indexOf(name), slots.length, attrs.length);
  return addon.args[0];
};
addon.args.set([64, 64]);
const a = addon.fromData(0, 2, new Float32Array(64 * 64).fill(1e-3));
const product = run('matmul', [run('matmul', [a, a], [0, 0, 0]), a], [0, 0, 0]);

addon.beginCapture();
addon.args.set([64, 64]);
const x = addon.placeholder(0, 2);
const doubled = run('mul', [x], [1, 2]);
const result = run('add', [doubled], [1, 1]);
addon.free(doubled);
addon.args[0] = result;
const program = addon.endCapture(1);
for (let i = 0; i < 2; i++) {
  addon.args[0] = product;
  addon.runProgram(program, 1, 0);
}
await addon.read(product);
// By now the stream has run out of commands: it waits until the next one.
await new Promise((resolve) => setTimeout(resolve, 20));
await addon.read(a);
