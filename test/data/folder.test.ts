// Folders of images: formats and colour spaces, cropping, classes, and the unreadable image among thousands.

import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp, { type Color } from 'sharp';
import { describe, expect, test } from 'vitest';
import { imageFolder } from '../../src/data/folder.js';
import { openDataset } from '../../src/data/open.js';
import { HostRandom } from '../../src/data/random.js';
import { temporaryDirectory } from '../temporary-directory.js';

/** A PNG that ends half-way: its header is sound, its body is not. */
async function tornImage(path: string): Promise<void> {
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
  const bytes = await sharp({ create: { width: 64, height: 64, channels: 3, background: 'red', noise } })
    .png()
    .toBuffer();
  await writeFile(path, bytes.subarray(0, bytes.length / 2));
}

const random = () => new HostRandom(1);
const all = (length: number) => Int32Array.from({ length }, (_, i) => i);

/** Writes one plain image; the extension decides the format. */
async function image(path: string, background: string | Color, width = 20, height = 20): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const channels = typeof background === 'object' && 'alpha' in background ? 4 : 3;
  await sharp({ create: { width, height, channels, background } }).toFile(path);
}

/** The first pixel of image `index`. */
async function pixel(folder: string, options: object, index = 0): Promise<number[]> {
  const dataset = await imageFolder(folder, { height: 8, width: 8, ...options });
  return [...(await dataset.batch(Int32Array.of(index), random())).subarray(0, dataset.channels)];
}

describe('reading', () => {
  test('is recursive, sorted, by extension in any case, and skips hidden files', async () => {
    const folder = await temporaryDirectory();
    await image(join(folder, 'b', 'deep', 'x.JPG'.toLowerCase()), 'red');
    await image(join(folder, 'a.png'), 'blue');
    await writeFile(join(folder, 'C.PNG'), await readFile(join(folder, 'a.png')));
    await writeFile(join(folder, '._a.png'), 'a resource fork of macOS');
    await writeFile(join(folder, 'notes.txt'), 'no image');
    await writeFile(join(folder, 'evil.svg'), '<svg/>');
    const dataset = await openDataset(folder, { height: 8, width: 12 });
    expect(dataset).toMatchObject({ length: 3, height: 8, width: 12, channels: 3, skipped: [] });
    expect(dataset.labels).toBeUndefined();
    const pixels = await dataset.batch(all(3), random());
    const at = (i: number) => [...pixels.subarray(i * 288, i * 288 + 3)];
    expect(at(0)).toEqual([0, 0, 255]);
    expect(at(1)).toEqual([0, 0, 255]);
    expect(at(2)[0]).toBeGreaterThan(250);
  });

  test('takes 64 x 64 x 3 unless told otherwise', async () => {
    const folder = await temporaryDirectory();
    await image(join(folder, 'a.png'), 'red');
    expect(await imageFolder(folder)).toMatchObject({ height: 64, width: 64, channels: 3 });
    expect(await imageFolder(folder, { height: 16 })).toMatchObject({ height: 16, width: 16 });
  });

  test('symbolic links are followed, once', async () => {
    const folder = await temporaryDirectory();
    await image(join(folder, 'a', 'a.png'), 'red');
    await symlink(folder, join(folder, 'a', 'loop'));
    await symlink(join(folder, 'a', 'a.png'), join(folder, 'linked.png'));
    await symlink('/nowhere.png', join(folder, 'dangling.png'));
    expect((await imageFolder(folder)).length).toBe(2);
  });

  test('covers, then cuts the centre', async () => {
    const folder = await temporaryDirectory();
    const left = await sharp({ create: { width: 10, height: 20, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const base = sharp({ create: { width: 60, height: 20, channels: 3, background: 'blue' } });
    await base.composite([{ input: left, left: 0, top: 0 }]).toFile(join(folder, 'a.png'));
    expect(await pixel(folder, {})).toEqual([0, 0, 255]);
  });
});

describe('colours', () => {
  test.each([1, 3, 4])('a grey file as %i channels', async (channels) => {
    const folder = await temporaryDirectory();
    const grey = sharp({ create: { width: 9, height: 9, channels: 3, background: '#808080' } }).toColourspace(
      'b-w',
    );
    await grey.toFile(join(folder, 'a.png'));
    expect(await pixel(folder, { channels })).toEqual(
      [128, 128, 128, 255].slice(0, channels === 1 ? 1 : channels),
    );
  });

  test('a transparent file lies over white, or keeps its alpha', async () => {
    const folder = await temporaryDirectory();
    await image(join(folder, 'a.png'), { r: 0, g: 0, b: 0, alpha: 0 });
    expect(await pixel(folder, {})).toEqual([255, 255, 255]);
    expect(await pixel(folder, { channels: 1 })).toEqual([255]);
    expect(await pixel(folder, { channels: 4 })).toEqual([255, 255, 255, 0]);
  });

  test('16 bits a channel, grey and RGB', async () => {
    const folder = await temporaryDirectory();
    const deep = (space: string) =>
      sharp({ create: { width: 9, height: 9, channels: 3, background: '#804020' } }).toColourspace(space);
    await deep('rgb16').toFile(join(folder, 'a.png'));
    await deep('grey16').toFile(join(folder, 'b.png'));
    expect((await sharp(join(folder, 'b.png')).metadata()).depth).toBe('ushort');
    const rgb = await pixel(folder, {});
    [128, 64, 32].forEach((value, i) => {
      expect(Math.abs(rgb[i] - value)).toBeLessThanOrEqual(1);
    });
    const [grey] = await pixel(folder, { channels: 1 }, 1);
    expect(grey).toBeGreaterThan(40);
    expect(grey).toBeLessThan(120);
  });

  test('CMYK and palettes', async () => {
    const folder = await temporaryDirectory();
    const red = () => sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } });
    await red().toColourspace('cmyk').jpeg({ quality: 100 }).toFile(join(folder, 'a.jpg'));
    await red().png({ palette: true }).toFile(join(folder, 'b.png'));
    const [r, g] = await pixel(folder, {});
    expect(r).toBeGreaterThan(180);
    expect(g).toBeLessThan(90);
    expect(await pixel(folder, {}, 1)).toEqual([255, 0, 0]);
  });

  test('EXIF rotation is applied', async () => {
    const folder = await temporaryDirectory();
    const top = await sharp({ create: { width: 16, height: 8, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
    const base = sharp({ create: { width: 16, height: 16, channels: 3, background: 'black' } });
    const flat = base.composite([{ input: top, left: 0, top: 0 }]);
    await flat.withMetadata({ orientation: 3 }).jpeg({ quality: 100 }).toFile(join(folder, 'a.jpg'));
    expect((await pixel(folder, { channels: 1 }))[0]).toBeLessThan(30);
  });
});

describe('classes', () => {
  test('are the sub-folders of the first level', async () => {
    const folder = await temporaryDirectory();
    for (const name of ['dogs/x/1.png', 'cats/1.png', 'cats/2.png']) await image(join(folder, name), 'red');
    const dataset = await imageFolder(folder);
    expect(dataset.classes).toEqual(['cats', 'dogs']);
    expect([...dataset.labels!]).toEqual([0, 0, 1]);
  });

  test('are none when an image lies beside the sub-folders, or there is but one', async () => {
    const folder = await temporaryDirectory();
    await image(join(folder, 'faces', '1.png'), 'red');
    expect((await imageFolder(folder)).classes).toBeUndefined();
    await image(join(folder, 'more', '1.png'), 'red');
    await image(join(folder, '1.png'), 'red');
    expect((await imageFolder(folder)).classes).toBeUndefined();
  });
});

describe('broken images', () => {
  test('a foreign header is skipped, counted and named when the folder is opened', async () => {
    const folder = await temporaryDirectory();
    for (let i = 0; i < 30; i++) await image(join(folder, `${i + 10}.png`), 'red');
    for (let i = 0; i < 7; i++) await writeFile(join(folder, `bad${i}.jpg`), 'this is no JPEG');
    await writeFile(join(folder, 'empty.png'), '');
    const warnings: string[] = [];
    const dataset = await imageFolder(folder, { onWarning: (message) => warnings.push(message) });
    expect(dataset.length).toBe(30);
    expect(dataset.skipped).toHaveLength(8);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`skipped 8 of 38 images in ${folder} that cannot be read: bad0.jpg (`);
    expect(warnings[0]).toContain('and 3 more');
  });

  test.each([undefined, 0])(
    'a torn body is replaced by the next of its class (cache of %s bytes)',
    async (cacheBytes) => {
      const folder = await temporaryDirectory();
      for (const name of ['a/1.png', 'a/3.png']) await image(join(folder, name), 'red');
      for (const name of ['b/1.png']) await image(join(folder, name), 'blue');
      await tornImage(join(folder, 'a', '2.png'));
      const warnings: string[] = [];
      const options = { height: 8, cacheBytes, onWarning: (message: string) => warnings.push(message) };
      const dataset = await imageFolder(folder, options);
      expect(dataset.length).toBe(4);
      const batches = await Promise.all([1, 2, 3].map(() => dataset.batch(Int32Array.of(1, 3), random())));
      for (const batch of batches) {
        expect([...batch.subarray(0, 3)]).toEqual([255, 0, 0]);
        expect([...batch.subarray(192, 195)]).toEqual([0, 0, 255]);
      }
      expect(dataset.skipped).toHaveLength(1);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toContain('skipped an unreadable image (1 so far): a/2.png: ');
    },
  );

  test('a PNG truncated at every few bytes is skipped or read, never anything else', async () => {
    const folder = await temporaryDirectory();
    const source = join(await temporaryDirectory(), 'a.png');
    await image(source, 'red', 40, 40);
    const bytes = await readFile(source);
    for (let length = 0; length < bytes.length; length += 3) {
      await writeFile(join(folder, `${1000 + length}.png`), bytes.subarray(0, length));
    }
    await writeFile(join(folder, 'good.png'), bytes);
    const dataset = await imageFolder(folder, { height: 8 });
    const batch = await dataset.batch(all(dataset.length), random());
    expect([...batch.subarray(-3)]).toEqual([255, 0, 0]);
    expect(dataset.skipped!.length).toBeGreaterThan(5);
  });

  test('when none can be read, that is an error with an example', async () => {
    const folder = await temporaryDirectory();
    await writeFile(join(folder, 'a.png'), 'x');
    await expect(imageFolder(folder)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('none of 1 images can be read; a.png: '),
    });
    await tornImage(join(folder, 'b.png'));
    const dataset = await imageFolder(folder);
    await expect(dataset.batch(all(1), random())).rejects.toMatchObject({ code: 'ERR_DATA' });
  });

  test.each([
    ['an empty folder', '', 'no images found'],
    ['a folder that is not there', 'nothing', 'does not exist'],
  ])('%s', async (_, name, message) => {
    const folder = join(await temporaryDirectory(), name);
    await expect(imageFolder(folder)).rejects.toThrowError(message);
  });
});

test('flipping mirrors about half of the images, and the cache is not touched by it', async () => {
  const folder = await temporaryDirectory();
  const left = await sharp({ create: { width: 8, height: 16, channels: 3, background: 'white' } })
    .png()
    .toBuffer();
  const base = sharp({ create: { width: 16, height: 16, channels: 3, background: 'black' } });
  await base.composite([{ input: left, left: 0, top: 0 }]).toFile(join(folder, 'a.png'));
  const dataset = await imageFolder(folder, { height: 16, channels: 1, flip: true });
  const batch = await dataset.batch(new Int32Array(200), random());
  const firsts = Array.from({ length: 200 }, (_, i) => batch[i * 256]);
  expect(new Set(firsts)).toEqual(new Set([0, 255]));
  expect(firsts.filter(Boolean).length / 200).toBeCloseTo(0.5, 0);
  expect(await dataset.batch(new Int32Array(200), random())).toEqual(batch);
});
