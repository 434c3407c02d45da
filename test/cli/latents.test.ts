// The commands on a trained generator, with real ones: what they write, that the same words write the same
// bytes, and what they say to what cannot be.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { runCommandLine } from '../../src/cli/program.js';
import { writePngGrid } from '../../src/io/images.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { loadGenerator } from '../../src/train/generator.js';
import { temporaryFolder } from '../train/helpers.js';
import { channels, height, labelledRuns, width } from '../train/labelled-runs.js';
import { context, recorder } from './stand-ins.js';

const runs = await labelledRuns(['dcgan', 'cgan', 'biggan', 'infogan', 'stylegan2']);
const folder = await temporaryFolder();

async function run(...argv: string[]) {
  const [out, err] = [recorder(), recorder()];
  const code = await runCommandLine(argv, context({ out, err, loadGenerator }));
  return { code, out: out.text(), err: err.text() };
}

/** The file that a command writes, which must succeed. */
async function written(name: string, ...argv: string[]): Promise<Buffer> {
  const path = join(folder, name);
  expect(await run(...argv, '--out', path)).toMatchObject({ code: 0, err: '' });
  return readFile(path);
}

/** Images per row and per column of a grid. */
async function gridOf(file: Buffer) {
  const { width: across = 0, height: down = 0 } = await sharp(file).metadata();
  return [(across - 2) / (width + 2), (down - 2) / (height + 2)];
}

/** The pixels of image `column`, `row` of a grid. */
async function cell(file: Buffer, column: number, row: number): Promise<Buffer> {
  const [left, top] = [2 + column * (width + 2), 2 + row * (height + 2)];
  return sharp(file).extract({ left, top, width, height }).raw().toBuffer();
}

describe('sample', () => {
  test('seeds name images: those of two grids agree', async () => {
    const many = await written('many.png', 'sample', runs.cgan, '--seeds', '0..5', '--label', 'dog');
    const few = await written(
      'few.png',
      'sample',
      runs.cgan,
      '--seeds',
      '4,1',
      '--label',
      '1',
      '--columns',
      '1',
    );
    expect(await gridOf(many)).toEqual([3, 2]);
    expect(await gridOf(few)).toEqual([1, 2]);
    expect(await cell(few, 0, 0)).toEqual(await cell(many, 1, 1));
    expect(await cell(few, 0, 1)).toEqual(await cell(many, 1, 0));
  });

  test('a class by name is that by number, and not another', async () => {
    const argv = ['sample', runs.biggan, '--n', '4', '--label'];
    const dogs = await written('dogs.png', ...argv, 'dog');
    expect(await written('ones.png', ...argv, '1')).toEqual(dogs);
    expect(await written('eels.png', ...argv, 'eel')).not.toEqual(dogs);
  });

  test.each([
    ['dcgan', '--truncation', '0.3'],
    ['stylegan2', '--truncation', '0.3'],
    ['biggan', '--standing-statistics', '2'],
    ['biggan', '--standing-statistics', '2', '--truncation', '0.5'],
  ] as const)('%j is another picture, the same each time', async (model, ...more) => {
    const argv = ['sample', runs[model], '--n', '4'];
    const plain = await written('plain.png', ...argv);
    const special = await written('special.png', ...argv, ...more);
    expect(special).not.toEqual(plain);
    expect(await written('again.png', ...argv, ...more)).toEqual(special);
  });
});

describe('interpolate', () => {
  test('meets its waypoints, and loops', async () => {
    const strip = await written('strip.png', 'interpolate', runs.cgan, '--seeds', '1,5,9', '--steps', '4');
    const loop = await written(
      'loop.png',
      'interpolate',
      runs.cgan,
      '--seeds',
      '1,5,9',
      '--steps',
      '4',
      '--loop',
    );
    expect(await gridOf(strip)).toEqual([7, 1]);
    expect(await gridOf(loop)).toEqual([9, 1]);
    const ends = await written('ends.png', 'sample', runs.cgan, '--seeds', '1,5,9', '--label', 'cat');
    for (const [i, column] of [0, 3, 6].entries()) {
      const waypoint = await cell(ends, i % 2, Math.floor(i / 2));
      expect(await cell(strip, column, 0)).toEqual(waypoint);
      expect(await cell(loop, column, 0)).toEqual(waypoint);
    }
  });

  test('moves from class to class', async () => {
    for (const space of ['z', 'w']) {
      const argv = [
        'interpolate',
        runs.stylegan2,
        '--from',
        '3',
        '--to',
        '3',
        '--steps',
        '3',
        '--space',
        space,
      ];
      const path = await written('path.png', ...argv, '--label', 'cat,eel');
      const [cat, eel] = await Promise.all(
        ['cat', 'eel'].map((label) =>
          written(`${label}.png`, 'sample', runs.stylegan2, '--seeds', '3', '--label', label),
        ),
      );
      expect(await cell(path, 0, 0)).toEqual(await cell(cat, 0, 0));
      expect(await cell(path, 2, 0)).toEqual(await cell(eel, 0, 0));
      expect(await cell(path, 1, 0)).not.toEqual(await cell(path, 0, 0));
    }
  });

  test('modes and spaces differ, an animation has all images', async () => {
    const argv = ['interpolate', runs.stylegan2, '--steps', '5'];
    const files = await Promise.all([
      written('a.png', ...argv),
      written('b.png', ...argv, '--mode', 'linear'),
      written('c.png', ...argv, '--space', 'w'),
    ]);
    expect(new Set(files.map((file) => file.toString('hex'))).size).toBe(3);
    const gif = await written('round.gif', ...argv, '--seeds', '1..4', '--loop');
    expect((await sharp(gif, { animated: true }).metadata()).pages).toBe(16);
  });
});

test('arithmetic shows three means, and the result amid its neighbours', async () => {
  const argv = ['arithmetic', runs.cgan, '--base', '1,2,3', '--minus', '4', '--plus', '4'];
  const grid = await written('sum.png', ...argv, '--label', 'eel');
  expect(await gridOf(grid)).toEqual([3, 4]);
  // base - a + a is base, which is in the middle of the square.
  expect(await cell(grid, 1, 2)).toEqual(await cell(grid, 0, 0));
  expect(await cell(grid, 1, 0)).toEqual(await cell(grid, 2, 0));
  expect(await cell(grid, 0, 1)).not.toEqual(await cell(grid, 1, 2));
  expect(await written('again.png', ...argv, '--label', 'eel')).toEqual(grid);
  expect(
    await gridOf(await written('w.png', 'arithmetic', runs.stylegan2, ...argv.slice(2), '--space', 'w')),
  ).toEqual([3, 4]);
});

describe('mix', () => {
  test('takes layers from the top', async () => {
    const argv = ['mix', runs.stylegan2, '--rows', '1,2', '--columns', '3,4,5', '--layers'];
    const [all, first] = [
      await written('all.png', ...argv, '0-3'),
      await written('first.png', ...argv, 'coarse'),
    ];
    expect(await gridOf(all)).toEqual([4, 3]);
    // The corner is black.
    expect(await cell(all, 0, 0)).toEqual(Buffer.alloc(width * height * channels));
    for (const row of [1, 2]) {
      for (const column of [1, 2, 3]) {
        // All layers from the top are the image on top.
        expect(await cell(all, column, row)).toEqual(await cell(all, column, 0));
        expect(await cell(first, column, row)).not.toEqual(await cell(first, column, 0));
      }
    }
    expect(await written('again.png', ...argv, 'coarse')).toEqual(first);
  });
});

describe('traverse', () => {
  test('has a column for each value of a categorical code', async () => {
    const grid = await written(
      'digit.png',
      'traverse',
      runs.infogan,
      '--code',
      'categorical0',
      '--seeds',
      '1..4',
    );
    expect(await gridOf(grid)).toEqual([3, 4]);
  });

  test('has the steps asked for of a continuous one, or of a coordinate', async () => {
    const argv = ['--from', '-1', '--to', '1', '--steps', '6'];
    const code = await written('c.png', 'traverse', runs.infogan, '--code', 'continuous0', ...argv);
    expect(await gridOf(code)).toEqual([6, 5]);
    const coordinate = await written('d.png', 'traverse', runs.cgan, '--dimension', '0', '--label', 'dog');
    expect(await gridOf(coordinate)).toEqual([10, 5]);
    expect(await cell(coordinate, 0, 0)).not.toEqual(await cell(coordinate, 9, 0));
  });
});

describe('project', () => {
  test('finds an image, and keeps the point', async () => {
    const image = join(folder, 'image.png');
    const generator = await loadGenerator(runs.stylegan2);
    const data = await generator.sample(1, { seed: 3, labels: Int32Array.of(2) });
    await writePngGrid(image, { data, count: 1, height, width, channels }, { padding: 0 });
    const out = join(folder, 'found.png');
    const argv = ['project', runs.stylegan2, image, '--label', 'eel', '--steps', '200', '--out', out];
    const { code, out: said, err } = await run(...argv);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const [, start, end] = /PSNR ([\d.]+) dB at the start, ([\d.]+) dB at the end/.exec(said)!.map(Number);
    expect(end).toBeGreaterThan(start + 10);
    expect(said).toContain(`${join(folder, 'found.safetensors')}: w of the projection`);
    const grid = await readFile(out);
    expect(await gridOf(grid)).toEqual([3, 1]);
    expect(await cell(grid, 0, 0)).toEqual(Buffer.from(data));
    const { tensors } = await readSafetensors(join(folder, 'found.safetensors'));
    const { shape, data: w } = tensors.get('w')!;
    expect(shape).toEqual([1, 4, 5]);
    const last = await cell(grid, 2, 0);
    (await generator.synthesize(w as Float32Array, 1)).forEach((pixel, i) => {
      expect(Math.abs(pixel - last[i])).toBeLessThanOrEqual(1);
    });
    generator.dispose();
    const [first, point] = [grid, await readFile(join(folder, 'found.safetensors'))];
    await run(...argv);
    expect(await readFile(out)).toEqual(first);
    expect(await readFile(join(folder, 'found.safetensors'))).toEqual(point);
  });

  test('any size and kind of image will do, and any model', async () => {
    const image = join(folder, 'large.jpg');
    await sharp({ create: { width: 50, height: 20, channels: 3, background: 'red' } })
      .jpeg()
      .toFile(image);
    const latent = join(folder, 'z.safetensors');
    const argv = ['project', runs.dcgan, image, '--steps', '3', '--features', '0.5', '--latent', latent];
    expect(await gridOf(await written('large.png', ...argv))).toEqual([3, 1]);
    expect((await readSafetensors(latent)).tensors.get('z')!.shape).toEqual([1, 6]);
  });
});

const text = join(folder, 'text.png');
await writeFile(text, 'no picture');
const groups = ['--base', '1', '--minus', '2', '--plus', '3'];

test.each([
  [['sample', runs.cgan, '--label', 'catt'], 'unknown class "catt"; did you mean "cat"?'],
  [['sample', runs.cgan, '--label', '3'], 'unknown class "3"; known: cat, dog, eel'],
  [['sample', runs.dcgan, '--label', 'cat'], 'trained without classes'],
  [
    ['sample', runs.dcgan, '--seeds', '1,,2'],
    '--seeds must be whole numbers such as 1,5,9 or 1..5, got "1,,2"',
  ],
  [['sample', runs.dcgan, '--seeds', '5..1'], '--seeds must be whole numbers'],
  [['sample', runs.dcgan, '--seeds', '-1'], '--seeds must be whole numbers'],
  [['sample', runs.dcgan, '--seeds', '0..99999999'], '--seeds must be at most 10000 numbers'],
  [['sample', runs.dcgan, '--seeds', '1', '--seed', '2'], 'cannot be combined with --n or --seed'],
  [['sample', runs.dcgan, '--truncation', '0'], 'truncation of latents must be above 0, got 0'],
  [['sample', runs.dcgan, '--truncation', 'x'], '--truncation must be a number, got "x"'],
  [['sample', runs.stylegan2, '--truncation', '1.5'], 'truncation of styles must be 0 to 1, got 1.5'],
  [['sample', runs.infogan, '--truncation', '0.5'], 'those of this model are not normal'],
  [['sample', runs.stylegan2, '--standing-statistics', '3'], 'this generator has none'],
  [['sample', runs.biggan, '--standing-statistics', '0'], '--standing-statistics must be an integer from 1'],
  [['interpolate', runs.dcgan, '--space', 'w'], 'this generator has no styles w'],
  [['interpolate', runs.dcgan, '--space', 'x'], '--space must be one of z, w, got "x"'],
  [['interpolate', runs.dcgan, '--mode', 'curly'], '--mode must be one of spherical, linear, got "curly"'],
  [['interpolate', runs.dcgan, '--seeds', '4'], '--seeds must name at least two waypoints, got "4"'],
  [['interpolate', runs.dcgan, '--seeds', '4,5', '--to', '3'], 'cannot be combined with --from or --to'],
  [['interpolate', runs.dcgan, '--seeds', '1..100', '--steps', '1000'], 'at most 10000 images'],
  [['interpolate', runs.cgan, '--label', 'cat,dog,eel'], 'one class, or one for each of the 2 waypoints'],
  [['interpolate', runs.dcgan, '--label', 'cat'], 'trained without classes'],
  [
    ['arithmetic', runs.dcgan, '--base', '1', '--minus', '2'],
    "required option '--plus <seeds>' not specified",
  ],
  [['arithmetic', runs.dcgan, ...groups.slice(0, 5), 'a'], '--plus must be whole numbers'],
  [['arithmetic', runs.dcgan, ...groups, '--noise', '0'], '--noise must be a number above 0'],
  [['arithmetic', runs.dcgan, ...groups, '--space', 'w'], 'this generator has no styles w'],
  [['mix', runs.dcgan], 'this generator has no styles w: only StyleGAN models have a mapping network'],
  [
    ['mix', runs.stylegan2, '--layers', 'corse'],
    'expected layers as coarse, middle, fine, or numbers from 0 to 3',
  ],
  [['mix', runs.stylegan2, '--rows', '1..51'], '--rows must be at most 50 numbers'],
  [['traverse', runs.infogan], 'name what to change: --code categorical0 or continuous0'],
  [['traverse', runs.dcgan], 'name what to change: --dimension with a number from 0 to 5'],
  [['traverse', runs.infogan, '--code', 'categorical'], 'did you mean "categorical0"?'],
  [['traverse', runs.dcgan, '--code', 'c1'], 'unknown code "c1": this model has none'],
  [['traverse', runs.dcgan, '--dimension', '6'], '--dimension must be an integer from 0 to 5, got "6"'],
  [
    ['traverse', runs.infogan, '--code', 'categorical0', '--steps', '4'],
    '--from, --to and --steps are for numbers',
  ],
  [
    ['traverse', runs.infogan, '--code', 'a', '--dimension', '1'],
    '--code and --dimension cannot be combined',
  ],
  [['project', runs.dcgan, join(folder, 'absent.png')], 'absent.png: it does not exist'],
  [['project', runs.dcgan, folder], 'a picture was expected, not a directory'],
  [['project', runs.dcgan, text], 'text.png cannot be read as a picture'],
  [['project', runs.dcgan], "missing required argument 'image'"],
  [['project', runs.dcgan, text, '--steps', '0'], '--steps must be an integer from 1'],
  [['project', runs.dcgan, text, '--features', '-1'], '--features must be a number of at least 0, got "-1"'],
  [['project', runs.dcgan, text, '--latent', 'a.json'], '--latent must end in .safetensors, got "a.json"'],
  ...['sample', 'interpolate', 'traverse', 'mix'].map((command): [string[], string] => [
    [command, join(folder, 'absent')],
    'absent: it does not exist',
  ]),
  ...['sample', 'traverse', 'mix', 'project'].map((command): [string[], string] => [
    [command, runs.dcgan, ...(command === 'project' ? [text] : []), '--out', 'a.jpg'],
    '--out must end in .png, got "a.jpg"',
  ]),
])('%j is refused in one sentence with exit code 2', async (argv, message) => {
  const { code, out, err } = await run(...argv);
  expect(err).toContain(message);
  expect(err).toMatch(/^ganvas: [^\n]+\n$/);
  expect([code, out]).toEqual([2, '']);
});

test.each([
  ['arithmetic', '--base 3,14,70'],
  ['mix', '--rows 1,2,3'],
  ['traverse', '--code continuous0'],
  ['project', 'project runs/dcgan-mnist-001 seven.png'],
  ['interpolate', '--loop'],
  ['sample', '--truncation 0.5'],
])('%s --help has examples', async (command, example) => {
  const { code, out } = await run(command, '--help');
  expect(code).toBe(0);
  expect(out.slice(out.indexOf('Examples:'))).toContain(example);
});
