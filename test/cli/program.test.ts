// The command line as a function: what reaches the commands, what is printed, and with which code it ends.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { runCommandLine } from '../../src/cli/program.js';
import type { TrainRunOptions } from '../../src/train/run.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { context, recorder, trainRun } from './stand-ins.js';

async function run(...argv: string[]) {
  const [out, err] = [recorder(), recorder()];
  let training: TrainRunOptions | undefined;
  const code = await runCommandLine(
    argv,
    context({
      out,
      err,
      trainRun: (options) => {
        training = options;
        return trainRun(options);
      },
    }),
  );
  return { code, out: out.text(), err: err.text(), training };
}

describe('help', () => {
  test.each([
    [['--help'], 'ganvas train dcgan --data mnist'],
    [['train', '--help'], 'ganvas train --resume runs/'],
    [['train', 'dcgan', '--help'], 'ganvas train dcgan --data mnist'],
    [['sample', '--help'], 'ganvas sample runs/'],
    [['interpolate', '--help'], '--out morph.gif'],
    [['doctor', '--help'], '$ ganvas doctor'],
    [['models', '--help'], '$ ganvas models'],
  ])('%j has examples', async (argv, example) => {
    const { code, out, err } = await run(...argv);
    expect(code).toBe(0);
    expect(err).toBe('');
    expect(out).toContain('Examples:');
    expect(out).toContain(example);
  });

  test("a model's help has its own options and the shared ones", async () => {
    const { out } = await run('train', 'dcgan', '--help');
    const options =
      '--data --out --steps --epochs --batch --seed --device --lr --save-every --sample-every --config --resume';
    for (const option of options.split(' ')) expect(out).toContain(option);
    expect(out).toContain('--z <n>');
    expect(out).toContain('--no-spectral');
    expect(out).not.toContain('--hidden');
  });

  test('the version is that of the package', async () => {
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('no command at all shows the help, as an error', async () => {
    const { code, err } = await run();
    expect(code).toBe(2);
    expect(err).toContain('Usage: ganvas');
  });
});

describe('train', () => {
  test('passes on only what was said', async () => {
    const { code, training, out } = await run(
      'train',
      'dcgan',
      '--data',
      'mnist',
      '--batch',
      '32',
      '--lr',
      '1e-4',
    );
    expect(code).toBe(0);
    expect(training).toMatchObject({ model: 'dcgan', data: 'mnist', out: undefined, resume: undefined });
    expect(training!.config).toEqual({ batch: 32, lr: 1e-4 });
    expect(out).toContain('done: 10 steps; try: ganvas sample runs/dcgan-mnist-001');
  });

  test('trains on the digits that come with ganvas unless told otherwise, and says so', async () => {
    const { code, training, out } = await run('train', 'dcgan', '--steps', '20');
    expect(code).toBe(0);
    expect(training).toMatchObject({ model: 'dcgan', data: 'digits', config: { steps: 20 } });
    expect(out).toContain('no --data given: training on the 2,000 digits that come with ganvas\n');
  });

  test("takes the model's own options, before and after its name", async () => {
    const argv = [
      'train',
      '--data',
      'mnist',
      '--seed',
      '5',
      'dcgan',
      '--z',
      '64',
      '--norm',
      'none',
      '--spectral',
    ];
    const { training } = await run(...argv, '--save-every', '7', '--no-flip', '--out', 'x');
    expect(training!.config).toEqual({
      seed: 5,
      z: 64,
      norm: 'none',
      spectral: true,
      saveEvery: 7,
      flip: false,
    });
    expect(training!.out).toBe('x');
  });

  test('a config file holds differences; the command line wins', async () => {
    const path = join(await temporaryDirectory(), 'c.json');
    await writeFile(path, '{"model": "dcgan", "data": "mnist", "batch": 8, "z": 10}');
    const { training } = await run('train', '--config', path, '--batch', '16');
    expect(training).toMatchObject({ model: 'dcgan', data: 'mnist', config: { batch: 16, z: 10 } });
    expect(Object.keys(training!.config!)).toEqual(['batch', 'z']);
    const other = await run('train', 'gan', '--config', path);
    expect(other).toMatchObject({ code: 2, err: `ganvas: ${path} is for the model dcgan, not gan\n` });
  });

  test('a run is continued with what its config.json says', async () => {
    const path = join(await temporaryDirectory(), 'run');
    await mkdir(path);
    await writeFile(join(path, 'config.json'), '{"model": "dcgan", "data": "mnist", "batch": 8}');
    const { training } = await run('train', '--resume', path, '--steps', '500');
    expect(training).toMatchObject({ model: 'dcgan', data: 'mnist', resume: path });
    expect(training!.config).toEqual({ steps: 500 });
    expect((await run('train', '--resume', path, '--out', 'x')).err).toContain(
      'cannot be combined with --out',
    );
  });

  test.each([
    [['train', 'dcgna', '--data', 'mnist', '--z', '9'], 'unknown model "dcgna"; did you mean "dcgan"?'],
    [['train', '--data', 'mnist'], 'name the model to train: gan, dcgan'],
    [['train', '--z', '9', 'dcgan'], "unknown option '--z' (the options of a model come after its name)"],
    [['train', 'dcgan', '--bacth', '9'], "unknown option '--bacth' (Did you mean --batch?)"],
    [['train', 'dcgan', '--hidden', '9'], "unknown option '--hidden'"],
    [
      ['train', 'dcgan', '--data', 'mnist', '--batch', 'many'],
      '--batch must be an integer from 1 to 65536, got "many"',
    ],
    [
      ['train', 'dcgan', '--data', 'mnist', '--batch', '0'],
      '--batch must be an integer from 1 to 65536, got "0"',
    ],
    [['train', 'dcgan', '--data', 'mnist', '--batch', '1.5'], 'got "1.5"'],
    [['train', 'dcgan', '--data', 'mnist', '--batch', ''], 'got ""'],
    [
      ['train', 'dcgan', '--data', 'mnist', '--lr', 'NaN'],
      '--lr must be a finite number from 0 to 100, got "NaN"',
    ],
    [['train', 'dcgan', '--data', 'mnist', '--lr', '-1'], 'got "-1"'],
    [['train', 'dcgan', '--data', 'mnist', '--lr', '0x10'], 'got "0x10"'],
    [
      ['train', 'dcgan', '--data', 'mnist', '--norm', 'bach'],
      '--norm must be one of batch, none, got "bach"',
    ],
    [['train', 'dcgan', '--data'], "option '--data <name|folder>' argument missing"],
    [['train', 'dcgan', 'extra'], 'too many arguments'],
    [
      ['train', 'dcgan', '--config', '/nowhere.json'],
      'cannot read the config /nowhere.json: it does not exist',
    ],
    [['train', '--resume', '/nowhere'], 'cannot open the run /nowhere: it does not exist'],
    [['train', '--resume', '.', '--config', 'x'], 'it cannot be combined with --config'],
    [['train', '--resume', '/tmp'], '/tmp is not a run directory: it has no config.json'],
    [['trian'], "unknown command 'trian' (Did you mean train?)"],
    [['--versoin'], "unknown option '--versoin' (Did you mean --version?)"],
    [['train', 'dcgan', '--data', 'mnist', '--seed', '13'], 'the loss of network D is NaN'],
  ])('%j is refused in one sentence with exit code 2', async (argv, message) => {
    const { code, err } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).toMatch(/^ganvas: [^\n]+\n$/);
  });

  test('a bug ends with exit code 1 and asks for a report', async () => {
    const { code, err } = await run('train', 'dcgan', '--data', 'mnist', '--seed', '14');
    expect(code).toBe(1);
    expect(err).toContain('ganvas: internal error: undefined is not a function\n');
    expect(err).not.toContain('at ');
  });

  test('GANVAS_DEBUG=1 shows the stack', async () => {
    process.env.GANVAS_DEBUG = '1';
    try {
      expect((await run('train')).err).toContain('    at ');
    } finally {
      process.env.GANVAS_DEBUG = undefined;
    }
  });
});

describe('sample and interpolate', () => {
  test('a grid of the size asked for', async () => {
    const path = join(await temporaryDirectory(), 'grid.png');
    const { code, out } = await run(
      'sample',
      'runs/x',
      '--n',
      '6',
      '--seed',
      '2',
      '--columns',
      '3',
      '--out',
      path,
    );
    expect([code, out]).toEqual([0, `${path}\n`]);
    expect(await sharp(path).metadata()).toMatchObject({ width: 3 * 8 + 2, height: 2 * 6 + 2 });
  });

  test('a strip from one sample to the other, and an animation', async () => {
    const directory = await temporaryDirectory();
    const [strip, gif] = [join(directory, 'a.png'), join(directory, 'a.GIF')];
    expect(
      (await run('interpolate', 'runs/x', '--from', '1', '--to', '2', '--steps', '5', '--out', strip)).code,
    ).toBe(0);
    const { data, info } = await sharp(strip)
      .toColourspace('b-w')
      .raw()
      .toBuffer({ resolveWithObject: true });
    const brightness = [0, 1, 2, 3, 4].map(
      (i) => data[2 * info.width * info.channels + (2 + 8 * i) * info.channels],
    );
    // Spherical: sin(t 90 degrees).
    brightness.forEach((value, i) => {
      expect(Math.abs(value - 255 * Math.sin((i / 4) * (Math.PI / 2)))).toBeLessThan(2);
    });
    expect((await run('interpolate', 'runs/x', '--steps', '5', '--out', gif)).code).toBe(0);
    expect((await sharp(gif, { animated: true }).metadata()).pages).toBe(5);
  });

  test.each([
    [['sample'], "missing required argument 'run'"],
    [['sample', 'absent'], 'cannot open the run absent'],
    [['sample', 'runs/x', '--n', '0'], '--n must be an integer from 1 to 10000, got "0"'],
    [['sample', 'runs/x', '--n', '1e9'], 'got "1e9"'],
    [['sample', 'runs/x', '--seed', '-1'], '--seed must be an integer of at least 0'],
    [['sample', 'runs/x', '--out', 'a.jpg'], '--out must end in .png, got "a.jpg"'],
    [['sample', 'runs/x', '--out', '/nowhere/a.png'], 'cannot write /nowhere/a.png: it does not exist'],
    [['interpolate', 'runs/x', '--steps', '1'], '--steps must be an integer from 2 to 1000'],
    [['interpolate', 'runs/x', '--out', 'a'], '--out must end in .png or .gif, got "a"'],
  ])('%j is refused', async (argv, message) => {
    const { code, err } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).toMatch(/^ganvas: [^\n]+\n$/);
  });
});

test('models are listed with what they are', async () => {
  expect((await run('models')).out).toBe('gan    perceptrons\ndcgan  convolutions\n');
});
