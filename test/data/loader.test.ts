// The batch loader: every image once an epoch, and a cursor from which exactly the same batches follow.

import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Dataset } from '../../src/data/dataset.js';
import { type Batch, BatchLoader, type LoaderState } from '../../src/data/loader.js';
import { memoryDataset } from '../../src/data/memory.js';

/** 103 images of 2 x 3 pixels; the left column of an image tells its number, the flip moves it to the right. */
function numbered(flip = false): Dataset {
  const images = new Uint8Array(103 * 6);
  for (let i = 0; i < 103; i++) images[i * 6] = images[i * 6 + 3] = i + 1;
  const labels = Uint8Array.from({ length: 103 }, (_, i) => i % 10);
  return memoryDataset({ name: 'numbered', images, height: 2, width: 3, channels: 1, labels, flip });
}

/** As `numbered`, but batches take a random time: a later one may be ready before an earlier one. */
function slow(): Dataset {
  const dataset = numbered(true);
  const batch: Dataset['batch'] = async (indices, random) => {
    const result = await dataset.batch(indices, random);
    await setTimeout(Math.random() * 4);
    return result;
  };
  return { ...dataset, batch };
}

const numberOf = (images: Uint8Array, i: number) => images[i * 6] + images[i * 6 + 2] - 1;

async function take(loader: BatchLoader, count: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let i = 0; i < count; i++) batches.push(await loader.next());
  return batches;
}

describe('batches', () => {
  test('an epoch has every image at most once, with its label, and drops the rest', async () => {
    const loader = new BatchLoader(numbered(true), { batch: 10, seed: 5 });
    expect(loader.batchesPerEpoch).toBe(10);
    const epochs = [await take(loader, 10), await take(loader, 10)];
    for (const [epoch, batches] of epochs.entries()) {
      const seen = batches.flatMap(({ images }) => Array.from({ length: 10 }, (_, i) => numberOf(images, i)));
      expect(new Set(seen).size).toBe(100);
      expect(batches.map((batch) => [batch.epoch, batch.index])).toEqual(
        seen.slice(0, 10).map((_, i) => [epoch, i]),
      );
      for (const { images, labels } of batches) {
        expect([...labels!]).toEqual(Array.from({ length: 10 }, (_, i) => numberOf(images, i) % 10));
      }
    }
    expect(epochs[0][0].images).not.toEqual(epochs[1][0].images);
    await loader.close();
  });

  test('recycled buffers are used again and change no batch', async () => {
    const reference = await take(new BatchLoader(numbered(true), { batch: 10, seed: 5 }), 30);
    const loader = new BatchLoader(numbered(true), { batch: 10, seed: 5, prefetch: 2 });
    const buffers = new Set<ArrayBufferLike>();
    for (const expected of reference) {
      const { images } = await loader.next();
      expect(images).toEqual(expected.images);
      buffers.add(images.buffer);
      loader.recycle(images);
    }
    expect(buffers.size).toBeLessThan(6);
    await loader.close();
  });

  test('the seed decides, the prefetching does not', async () => {
    const make = (seed: number, prefetch: number) => new BatchLoader(slow(), { batch: 7, seed, prefetch });
    const reference = await take(make(1, 0), 40);
    expect(await take(make(1, 9), 40)).toEqual(reference);
    expect(await take(make(2, 9), 40)).not.toEqual(reference);
  });

  test('calls that do not wait for each other still come in order', async () => {
    const loader = new BatchLoader(slow(), { batch: 10, prefetch: 2 });
    const batches = await Promise.all(Array.from({ length: 25 }, () => loader.next()));
    expect(batches).toEqual(await take(new BatchLoader(slow(), { batch: 10 }), 25));
  });

  test('about half of the images are mirrored', async () => {
    const batches = await take(new BatchLoader(numbered(true), { batch: 100 }), 10);
    const mirrored = batches.flatMap(({ images }) =>
      Array.from({ length: 100 }, (_, i) => images[i * 6 + 2] > 0),
    );
    expect(mirrored.filter(Boolean).length / 1000).toBeCloseTo(0.5, 1);
  });

  test('no more is read ahead than asked for', async () => {
    let reads = 0;
    const dataset = numbered();
    const counted: Dataset = {
      ...dataset,
      batch(...args) {
        reads += 1;
        return dataset.batch(...args);
      },
    };
    const loader = new BatchLoader(counted, { batch: 10, prefetch: 3 });
    expect(reads).toBe(0);
    await loader.next();
    expect(reads).toBe(4);
    await loader.next();
    expect(reads).toBe(5);
  });
});

describe('the cursor', () => {
  test.each([0, 1, 9, 10, 11, 37])('after %i batches, exactly the same ones follow', async (position) => {
    const whole = new BatchLoader(slow(), { batch: 10, seed: 9 });
    await take(whole, position);
    const state: LoaderState = JSON.parse(JSON.stringify(whole.state()));
    const expected = await take(whole, 25);

    const fresh = new BatchLoader(slow(), { batch: 10, seed: 9, prefetch: 1 });
    fresh.restore(state);
    expect(await take(fresh, 25)).toEqual(expected);

    // A loader that had gone elsewhere and prefetched there.
    const used = new BatchLoader(slow(), { batch: 10, seed: 9, prefetch: 6 });
    await take(used, 23);
    used.restore(state);
    expect(used.state()).toEqual(state);
    expect(await take(used, 25)).toEqual(expected);
    await Promise.all([whole.close(), fresh.close(), used.close()]);
  });

  test.each([
    [
      { batches: 3, seed: 9, batch: 10, length: 102 },
      'the number of images was 102 when it was saved and is 103 now',
    ],
    [{ batches: 3, seed: 8, batch: 10, length: 103 }, 'the seed was 8'],
    [{ batches: 3, seed: 9, batch: 64, length: 103 }, 'the batch size was 64'],
    [{ batches: -1, seed: 9, batch: 10, length: 103 }, 'must count batches'],
    [{ batches: 'x', seed: 9, batch: 10, length: 103 }, 'must count batches'],
    [null, 'must count batches'],
    [{}, 'must count batches'],
  ])('%j of another run is refused', (state, message) => {
    const loader = new BatchLoader(numbered(), { batch: 10, seed: 9 });
    expect(() => loader.restore(state as LoaderState)).toThrowError(
      expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringContaining(message) }),
    );
  });
});

describe('refusals', () => {
  test.each([
    [{ batch: 0 }, 'ERR_ARGUMENT', 'batch must be an integer of at least 1, got 0'],
    [{ batch: 2.5 }, 'ERR_ARGUMENT', 'got 2.5'],
    [{ batch: 10, seed: -1 }, 'ERR_ARGUMENT', 'seed must be'],
    [{ batch: 10, seed: Number.NaN }, 'ERR_ARGUMENT', 'got NaN'],
    [{ batch: 10, prefetch: -1 }, 'ERR_ARGUMENT', 'prefetch must be'],
    [{ batch: 104 }, 'ERR_DATA', 'numbered has 103 images, a batch takes 104: use a batch of at most 103'],
  ])('%j', (options, code, message) => {
    expect(() => new BatchLoader(numbered(), options)).toThrowError(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  test('an error of the data set arrives at the next() that needs it, and nowhere else', async () => {
    const dataset = numbered();
    let reads = 0;
    const failing: Dataset = {
      ...dataset,
      batch(...args) {
        reads += 1;
        return reads === 3 ? Promise.reject(new Error('the disk is gone')) : dataset.batch(...args);
      },
    };
    const loader = new BatchLoader(failing, { batch: 10, prefetch: 4 });
    await take(loader, 2);
    await setTimeout(5);
    await expect(loader.next()).rejects.toThrow('the disk is gone');
    expect((await loader.next()).index).toBe(3);
  });

  test('next() after close()', async () => {
    const loader = new BatchLoader(slow(), { batch: 10 });
    await loader.next();
    await loader.close();
    await expect(loader.next()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });
});
