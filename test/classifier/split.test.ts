// Which images are held out, and that the views show the right ones.

import { describe, expect, test } from 'vitest';
import { classNames, heldOutSplit } from '../../src/classifier/split.js';
import { memoryDataset } from '../../src/data/memory.js';
import { openDataset } from '../../src/data/open.js';
import { HostRandom } from '../../src/data/random.js';

const code = (c: string) => expect.objectContaining({ code: c });

/** One pixel per image, its number; labels as given. */
function numbered(labels: number[], classes?: string[]) {
  const images = Uint8Array.from(labels, (_, i) => i);
  return memoryDataset({
    name: 'numbered',
    images,
    height: 1,
    width: 1,
    channels: 1,
    labels: Int32Array.from(labels),
    classes,
  });
}

describe('heldOutSplit', () => {
  test('holds out the tenth of each class, whatever their order', async () => {
    // Class 0 at 0, 2, ... 38, class 1 at 1, 3, ... 39: the tenth of class 0 is number 18, the twentieth 38.
    const { training, heldOut } = heldOutSplit(numbered(Array.from({ length: 40 }, (_, i) => i % 2)));
    expect([training.length, heldOut.length]).toEqual([36, 4]);
    const random = new HostRandom(0);
    expect([...(await heldOut.batch(Int32Array.of(0, 1, 2, 3), random))]).toEqual([18, 19, 38, 39]);
    expect([...heldOut.labels!]).toEqual([0, 1, 0, 1]);
    const kept = await training.batch(
      Int32Array.from({ length: 36 }, (_, i) => i),
      random,
    );
    expect([...kept]).toEqual(
      Array.from({ length: 40 }, (_, i) => i).filter((i) => ![18, 19, 38, 39].includes(i)),
    );
    expect([...training.labels!]).toEqual([...kept].map((i) => i % 2));
  });

  test('a class of fewer than ten images is learnt from whole', () => {
    const { training, heldOut } = heldOutSplit(numbered([...Array(9).fill(0), ...Array(11).fill(1)]));
    expect([...heldOut.labels!]).toEqual([1]);
    expect([...training.labels!].filter((label) => label === 0)).toHaveLength(9);
  });

  test('the digits that come with ganvas, whose classes take turns, have all ten of them held out', async () => {
    const { training, heldOut } = heldOutSplit(await openDataset('digits'));
    expect([training.length, heldOut.length]).toEqual([1800, 200]);
    for (let digit = 0; digit < 10; digit++) {
      expect([...heldOut.labels!].filter((label) => label === digit)).toHaveLength(20);
    }
  });

  test('refuses images without classes, and too few', () => {
    const images = new Uint8Array(20);
    const bare = memoryDataset({ name: 'bare', images, height: 1, width: 1, channels: 1 });
    expect(() => heldOutSplit(bare)).toThrow(code('ERR_DATA'));
    expect(() => heldOutSplit(bare)).toThrow('bare has no classes: expected labelled images');
    expect(() => heldOutSplit(numbered(Array(9).fill(0)))).toThrow('the largest has 9');
  });
});

test('classes have the names of the data, else numbers up to the greatest label', () => {
  expect(classNames(numbered([0, 1], ['cat', 'dog', 'owl']))).toEqual(['cat', 'dog', 'owl']);
  expect(classNames(numbered([0, 3]))).toEqual(['0', '1', '2', '3']);
});
