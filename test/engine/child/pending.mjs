// Enqueues some seconds of work and ends without waiting for it, in the way that is asked for.
// Usage: node pending.mjs ADDON end|exit|read|throw

import { createRequire } from 'node:module';

const [path, how] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(path);
addon.args.set([1024, 1024]);
const a = addon.fromData(0, 2, new Float32Array(1024 * 1024).fill(1e-3));
for (let i = 0; i < 2000; i++) {
  addon.args.set([a, a, 0, 0, 0]);
  addon.run(addon.ops.indexOf('matmul'), 2, 3);
  addon.free(addon.args[0]);
}
if (how === 'read') addon.read(a).catch(() => {});
if (how === 'exit' || how === 'read') setTimeout(() => process.exit(7), 20);
if (how === 'throw') throw new Error('on purpose');
console.log('enqueued');
