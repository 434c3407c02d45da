// Emoji of the npm packages, real and damaged ones: how many, their classes and names, their pixels against
// sharp.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type EmojiSet, emoji } from '../../src/data/emoji.js';
import { packageFolder } from '../../src/data/npm-package.js';
import { openDataset } from '../../src/data/open.js';
import { HostRandom } from '../../src/data/random.js';
import { temporaryDirectory } from '../temporary-directory.js';

const absent = vi.hoisted(() => ({ packages: false }));
vi.mock('../../src/data/npm-package.js', async (original) => {
  const actual = await original<typeof import('../../src/data/npm-package.js')>();
  return {
    ...actual,
    packageFolder: (name: string) => (absent.packages ? undefined : actual.packageFolder(name)),
  };
});
afterEach(() => {
  absent.packages = false;
});

const random = () => new HostRandom(0);
const categories = [
  'Activities',
  'Animals & Nature',
  'Component',
  'Flags',
  'Food & Drink',
  'Objects',
  'People & Body',
  'Smileys & Emotion',
  'Symbols',
  'Travel & Places',
];

describe.each(['twitter', 'google'] as const)('the real pictures of %s', (set) => {
  const spec = set === 'twitter' ? 'emoji' : 'emoji-google';
  const file = (image: string) => join(packageFolder(`emoji-datasource-${set}`)!, 'img', set, '64', image);

  test('are 3,786 in ten categories, with names of their own', async () => {
    const dataset = await openDataset(spec);
    expect(dataset).toMatchObject({ name: spec, length: 3786, height: 64, width: 64, channels: 3 });
    expect(dataset.classes).toEqual(categories);
    expect(dataset.labels).toHaveLength(3786);
    expect(new Set(dataset.labels)).toEqual(new Set(categories.keys()));
    expect(new Set(dataset.names).size).toBe(3786);
    const label = (name: string) => categories[dataset.labels![dataset.names!.indexOf(name)]];
    expect(label('pizza')).toBe('Food & Drink');
    expect(label('santa')).toBe('People & Body');
    expect(label('santa::skin-tone-2')).toBe('People & Body');
    expect(label('people_holding_hands::skin-tone-2::skin-tone-6')).toBe('People & Body');
  });

  test('have the pixels of their files, over white', async () => {
    const dataset = await openDataset(spec);
    const indices = ['pizza', 'santa::skin-tone-6'].map((name) => dataset.names!.indexOf(name));
    const batch = await dataset.batch(Int32Array.from(indices), random());
    for (const [i, image] of ['1f355.png', '1f385-1f3ff.png'].entries()) {
      const rgba = await sharp(file(image)).ensureAlpha().raw().toBuffer();
      const pixels = batch.subarray(i * 12_288, (i + 1) * 12_288);
      let worst = 0;
      for (let p = 0; p < 4096; p++) {
        const alpha = rgba[4 * p + 3] / 255;
        for (let c = 0; c < 3; c++) {
          const expected = rgba[4 * p + c] * alpha + 255 * (1 - alpha);
          worst = Math.max(worst, Math.abs(pixels[3 * p + c] - expected));
        }
      }
      expect(worst).toBeLessThanOrEqual(1);
    }
  });

  test('keep their transparency in four channels, and what is wholly transparent is white', async () => {
    const dataset = await openDataset(spec, { channels: 4 });
    const index = dataset.names!.indexOf('pizza');
    const pixels = await dataset.batch(Int32Array.of(index), random());
    const expected = await sharp(file('1f355.png')).ensureAlpha().raw().toBuffer();
    let transparent = 0;
    for (let i = 0; i < expected.length; i += 4) {
      if (expected[i + 3] > 0) continue;
      transparent += 1;
      expected.fill(255, i, i + 3);
    }
    expect(transparent).toBeGreaterThan(100);
    expect(Buffer.compare(pixels, expected)).toBe(0);
  });

  test('take other sizes, not square too, and one channel', async () => {
    const dataset = await openDataset(spec, { height: 17, width: 33, channels: 1 });
    expect(dataset).toMatchObject({ height: 17, width: 33, channels: 1, length: 3786 });
    const pixels = await dataset.batch(Int32Array.of(0, dataset.length - 1), random());
    expect(pixels.length).toBe(2 * 17 * 33);
  });
});

test('every picture can be read', async () => {
  const dataset = await openDataset('emoji', { cacheBytes: 0 });
  const all = Int32Array.from({ length: dataset.length }, (_, i) => i);
  await dataset.batch(all, random());
  expect(dataset.skipped).toEqual([]);
});

test.each([
  ['emoji', 'npm install emoji-datasource-twitter'],
  ['emoji-google', 'npm install emoji-datasource-google'],
])('without its package, %s says how to install it', async (spec, command) => {
  absent.packages = true;
  await expect(openDataset(spec)).rejects.toMatchObject({
    code: 'ERR_DATA',
    message: expect.stringContaining(command),
  });
});

test('a package is found or not', () => {
  expect(packageFolder('emoji-datasource-twitter')).toContain(
    join('node_modules', 'emoji-datasource-twitter'),
  );
  expect(packageFolder('emoji-datasource-nobody')).toBeUndefined();
});

test('an absurd size is refused', async () => {
  await expect(openDataset('emoji', { channels: 2 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  await expect(openDataset('emoji', { height: 0 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
});

describe('a package of one’s own', () => {
  const tone = { unified: '1F3FB', image: 'tone.png', short_name: 'skin-tone-2', category: 'Component' };
  const hand = {
    unified: '1F590',
    image: 'hand.png',
    short_name: 'hand',
    category: 'People',
    has_img_twitter: true,
    skin_variations: {
      '1F3FB': { image: 'hand-1f3fb.png', has_img_twitter: true },
      '1F3FC': { image: 'hand-1f3fc.png', has_img_twitter: false },
    },
  };

  async function make(json: unknown, images: Record<string, string> = {}): Promise<string> {
    const folder = await temporaryDirectory();
    await writeFile(join(folder, 'emoji.json'), typeof json === 'string' ? json : JSON.stringify(json));
    const pictures = join(folder, 'img', 'twitter', '64');
    await mkdir(pictures, { recursive: true });
    for (const [name, background] of Object.entries(images)) {
      await sharp({ create: { width: 64, height: 64, channels: 3, background } }).toFile(
        join(pictures, name),
      );
    }
    return folder;
  }

  test('lists what the set has drawn, and no more', async () => {
    const folder = await make([tone, hand], { 'hand.png': 'red', 'hand-1f3fb.png': 'blue' });
    const dataset = await emoji('twitter', { height: 4 }, folder);
    expect(dataset.names).toEqual(['hand', 'hand::skin-tone-2']);
    expect(dataset.classes).toEqual(['People']);
    const pixels = await dataset.batch(Int32Array.of(0, 1), random());
    expect([...pixels.subarray(0, 3), ...pixels.subarray(48, 51)]).toEqual([255, 0, 0, 0, 0, 255]);
    await expect(emoji('google', {}, folder)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('expected pictures of the set google, got none'),
    });
  });

  test('a missing picture is replaced by the next of its class, and named', async () => {
    const warnings: string[] = [];
    const folder = await make([hand], { 'hand-1f3fb.png': 'blue' });
    const dataset = await emoji('twitter', { onWarning: (message) => warnings.push(message) }, folder);
    const pixels = await dataset.batch(Int32Array.of(0), random());
    expect([...pixels.subarray(0, 3)]).toEqual([0, 0, 255]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(join('img', 'twitter', '64', 'hand.png'));
  });

  test.each<[string, unknown, string]>([
    ['no JSON', '[{', 'is not valid JSON'],
    ['no array', { hand }, 'expected an array of emoji'],
    ['null', null, 'got null'],
    ['an entry without a category', [hand, { ...hand, category: undefined }], 'entry 1 is not one'],
    ['a number for a file name', [{ ...hand, image: 7 }], 'entry 0 is not one'],
    ['variations without a file name', [{ ...hand, skin_variations: { '1F3FB': {} } }], 'entry 0 is not one'],
    ['variations that are an array', [{ ...hand, skin_variations: [] }], 'entry 0 is not one'],
  ])('%s in emoji.json', async (_, json, message) => {
    await expect(emoji('twitter', {}, await make(json))).rejects.toMatchObject({
      code: 'ERR_FILE_FORMAT',
      message: expect.stringContaining(message),
    });
  });

  test('without emoji.json', async () => {
    const set: EmojiSet = 'google';
    await expect(emoji(set, {}, await temporaryDirectory())).rejects.toMatchObject({
      code: 'ERR_FILE_IO',
      message: expect.stringContaining('emoji.json'),
    });
  });
});
