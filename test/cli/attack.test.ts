// `ganvas classifier train` and `ganvas attack`: what reaches the parts they drive, what is printed, what is refused; and
// once from end to end on the digits that come with ganvas.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { measureRobustness, type RobustnessOptions } from '../../src/adversarial/robustness.js';
import { classifierConfig } from '../../src/classifier/config.js';
import { type ClassifierRunOptions, trainClassifier } from '../../src/classifier/train.js';
import { runCommandLine } from '../../src/cli/program.js';
import { temporaryFolder } from '../train/helpers.js';
import {
  context,
  recorder,
  measureRobustness as standInMeasure,
  trainClassifier as standInTrain,
} from './stand-ins.js';

async function run(...argv: string[]) {
  const [out, err] = [recorder(), recorder()];
  const training: [unknown, ClassifierRunOptions][] = [];
  const measured: [string, RobustnessOptions][] = [];
  const code = await runCommandLine(
    argv,
    context({
      out,
      err,
      trainClassifier: (data, options = {}) => {
        training.push([data, options]);
        return standInTrain(data, options);
      },
      measureRobustness: (directory, options) => {
        measured.push([directory, options]);
        return standInMeasure(directory, options);
      },
    }),
  );
  return { code, out: out.text(), err: err.text(), training, measured };
}

const folder = await temporaryFolder();
const grid = join(folder, 'grid.png');

/** A run directory with nothing but a config. */
async function savedRun(name: string, more: object = {}): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  const config = { ...classifierConfig.defaults(), height: 28, width: 28, channels: 1, ...more };
  await writeFile(
    join(path, 'config.json'),
    JSON.stringify({ model: 'classifier', data: 'mnist', classes: ['0', '1'], ...config }),
  );
  return path;
}

describe('help', () => {
  test.each([
    [['classifier', '--help'], 'ganvas classifier train --data mnist'],
    [['classifier', 'train', '--help'], '--adversarial --eps 0.25'],
    [['attack', '--help'], 'ganvas attack --data mnist --train'],
  ])('%j has examples', async (argv, example) => {
    const { code, out, err } = await run(...argv);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('Examples:');
    expect(out).toContain(example);
  });

  test('says in which units eps is', async () => {
    for (const command of [['attack'], ['classifier', 'train']]) {
      const { out } = await run(...command, '--help');
      expect(out.replace(/\s+/g, ' ')).toMatch(/--eps <x>.{0,80}black is 0 and white 1/);
    }
  });
});

describe('classifier train', () => {
  test('passes on only what was said, and says how to go on', async () => {
    const { code, out, training } = await run(
      ...[
        'classifier',
        'train',
        '--data',
        'mnist',
        '--adversarial',
        '--eps',
        '0.1',
        '--no-flip',
        '--out',
        'x',
      ],
    );
    expect(code).toBe(0);
    expect(training).toHaveLength(1);
    const [data, options] = training[0];
    expect(data).toBe('mnist');
    expect(options).toMatchObject({ out: 'x', config: { adversarial: true, eps: 0.1, flip: false } });
    expect(Object.keys(options.config!)).toHaveLength(3);
    expect(out).toContain('step 2: 75.0 % of the held-out images\n');
    expect(out).toContain('done: 2 steps; try: ganvas attack x\n');
  });

  test('takes the digits that come with ganvas unless told otherwise, and says so', async () => {
    const { training, out } = await run('classifier', 'train');
    expect(training[0][0]).toBe('digits');
    expect(out).toContain('no --data given');
  });

  test('continues a run on its own data', async () => {
    const path = await savedRun('resumed');
    const { training } = await run('classifier', 'train', '--resume', path, '--epochs', '30');
    expect(training[0]).toMatchObject(['mnist', { resume: path, config: { epochs: 30 } }]);
  });

  test.each([
    [['classifier', 'train', '--eps', '2'], '--eps must be a finite number from 0 to 1, got "2"'],
    [['classifier', 'train', '--epoch', '2'], "unknown option '--epoch' (Did you mean --epochs?)"],
    [['classifier', 'train', '--resume', folder, '--out', 'x'], 'it cannot be combined with --out'],
    [['classifier', 'train', '--resume', '/nowhere'], 'cannot open the run /nowhere: it does not exist'],
    [['classifier', 'trian'], "unknown command 'trian' (Did you mean train?)"],
    [['classifier', 'train', 'mnist'], 'too many arguments'],
  ])('%j is refused in one sentence with exit code 2', async (argv, message) => {
    const { code, err } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).toMatch(/^ganvas: [^\n]+\n$/);
  });
});

describe('attack', () => {
  test('a run: a table and a grid', async () => {
    const argv = [
      'attack',
      'runs/x',
      '--eps',
      '0.2',
      '--steps',
      '5',
      '--n',
      '400',
      '--examples',
      '6',
      '--out',
      grid,
    ];
    const { code, out, err, training, measured } = await run(...argv);
    expect([code, err, training]).toEqual([0, '', []]);
    expect(measured).toHaveLength(1);
    expect(measured[0]).toMatchObject([
      'runs/x',
      {
        data: undefined,
        eps: 0.2,
        steps: 5,
        stepSize: 0.1,
        randomStart: false,
        images: 400,
        examples: 6,
        seed: 0,
      },
    ]);
    expect(out).toMatch(/attacking runs\/x\nstep 400\/400 {2}\S+ images\/s/);
    expect(out).toContain(
      '400 held-out images, each pixel moved by at most 0.2 of its range of 1\n' +
        'accuracy  before    FGSM  iterated\n' +
        'runs/x    97.5 %  25.0 %     0.0 %\n' +
        'iterated: 5 steps of 0.1\n',
    );
    expect(out).toContain(
      `${grid}: originals, what the iterated attack adds, the sum; taken for: 0 → 0, 1 → 2, `,
    );
    // Three rows of six images of 2 x 3 pixels.
    expect(await sharp(grid).metadata()).toMatchObject({ width: 6 * 5 + 2, height: 3 * 4 + 2 });
  });

  test('on a terminal a bar counts the images', async () => {
    const out = recorder(true);
    const code = await runCommandLine(['attack', 'runs/x', '--n', '400', '--out', grid], context({ out }));
    expect(code).toBe(0);
    expect(out.text()).toContain('400/400');
    expect(out.text()).toContain('█');
  });

  test('two runs: a line for each', async () => {
    const { out, measured } = await run('attack', 'runs/a', 'runs/longer', '--random-start', '--out', grid);
    expect(measured.map(([path]) => path)).toEqual(['runs/a', 'runs/longer']);
    expect(out).toContain('runs/a       97.5 %  25.0 %     0.0 %\nruns/longer  97.5 %');
    expect(out).toContain('from a random start\n');
  });

  test('data alone: trains a classifier first', async () => {
    const { training, measured } = await run(
      'attack',
      '--data',
      'mnist',
      '--epochs',
      '2',
      '--seed',
      '4',
      '--out',
      grid,
    );
    expect(training).toMatchObject([['mnist', { config: { epochs: 2, seed: 4 } }]]);
    expect(measured).toMatchObject([['runs/classifier-mnist-001', { data: 'mnist', seed: 4 }]]);
  });

  test('--train: another classifier like the first, against this attack', async () => {
    const path = await savedRun('first', { baseWidth: 7, lr: 0.002, steps: 50, seed: 3 });
    const argv = ['attack', path, '--train', '--eps', '0.1', '--steps', '4', '--out', grid];
    const { training, measured } = await run(...argv);
    const against = { adversarial: true, eps: 0.1, attackSteps: 4 };
    const like = { baseWidth: 7, lr: 0.002, seed: 3, height: 28 };
    expect(training).toMatchObject([['mnist', { config: { ...like, ...against, steps: 50 } }]]);
    expect(measured.map(([directory]) => directory)).toEqual([path, 'runs/classifier-mnist-001']);
    // What is passed on is a config.
    expect(() => classifierConfig.resolve(training[0][1].config)).not.toThrow();
    const shorter = await run(...argv, '--epochs', '1');
    expect(shorter.training[0][1].config).toMatchObject({ ...like, ...against, steps: null, epochs: 1 });
  });

  test('Ctrl-C while training saves, says how to go on, and attacks nothing', async () => {
    const [out, err] = [recorder(), recorder()];
    const code = await runCommandLine(
      ['attack', '--data', 'mnist', '--out', grid],
      context({
        out,
        err,
        trainClassifier: (data, options) => {
          process.emit('SIGINT', 'SIGINT');
          return standInTrain(data, options);
        },
        measureRobustness: () => {
          throw new Error('must not be called');
        },
      }),
    );
    expect([code, err.text()]).toEqual([130, '']);
    expect(out.text()).toContain(
      'stopped and saved at step 0; continue with: ganvas classifier train --resume runs/classifier-mnist-001\n',
    );
  });

  test('Ctrl-C while attacking prints no table', async () => {
    const [out, err] = [recorder(), recorder()];
    const code = await runCommandLine(
      ['attack', 'runs/x', '--out', grid],
      context({
        out,
        err,
        measureRobustness: (directory, options) => {
          process.emit('SIGTERM', 'SIGTERM');
          return standInMeasure(directory, options);
        },
      }),
    );
    expect([code, err.text()]).toEqual([143, '']);
    expect(out.text()).not.toContain('accuracy');
  });

  test.each([
    [['attack'], 'name a classifier run to attack, or --data to train one on'],
    [['attack', 'a', 'b', 'c'], 'attack takes one or two runs, got 3'],
    [['attack', 'a', 'b', '--train'], '--train makes the second classifier'],
    [['attack', 'a', '--epochs', '3'], '--epochs is for classifiers trained here'],
    [['attack', 'absent'], 'cannot open the run absent'],
    [['attack', '/nowhere', '--train'], 'cannot open the run /nowhere: it does not exist'],
    [['attack', 'a', '--eps', '0'], '--eps must be a number above 0 and at most 1, got "0"'],
    [['attack', 'a', '--eps', '8/255'], 'got "8/255"'],
    [['attack', 'a', '--steps', '0'], '--steps must be an integer from 1 to 1000, got "0"'],
    [['attack', 'a', '--step-size', '-1'], '--step-size must be a number above 0 and at most 1'],
    [['attack', 'a', '--n', '0'], '--n must be an integer from 1 to'],
    [['attack', 'a', '--examples', '101'], '--examples must be an integer from 1 to 100, got "101"'],
    [['attack', 'a', '--out', 'grid.jpg'], '--out must end in .png, got "grid.jpg"'],
    [['attack', 'a', '--ep', '1'], "unknown option '--ep'"],
  ])('%j is refused in one sentence with exit code 2', async (argv, message) => {
    const { code, err } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).toMatch(/^ganvas: [^\n]+\n$/);
  });
});

test('from end to end: the bundled digits, a plain classifier and one trained against the attack', async () => {
  const [plain, robust] = [join(folder, 'plain'), join(folder, 'robust')];
  const real = { trainClassifier, measureRobustness };
  const ganvas = async (...argv: string[]) => {
    const [out, err] = [recorder(), recorder()];
    const code = await runCommandLine(argv, context({ out, err, ...real }));
    expect([code, err.text()]).toEqual([0, '']);
    return out.text();
  };
  const small = '--data digits --base-width 4 --epochs 5 --lr 5e-3 --dropout 0 --device cpu'.split(' ');
  const against = '--adversarial --eps 0.1 --attack-steps 2'.split(' ');
  await ganvas('classifier', 'train', ...small, '--out', plain);
  await ganvas('classifier', 'train', ...small, ...against, '--out', robust);
  const text = await ganvas('attack', plain, robust, '--eps', '0.1', '--device', 'cpu', '--out', grid);
  const shares = [plain, robust].map((path) =>
    text
      .split('\n')
      .find((line) => line.startsWith(`${path} `))!
      .slice(path.length)
      .match(/[\d.]+/g)!
      .map(Number),
  );
  const [[clean, fast, iterated], [cleanRobust, fastRobust, iteratedRobust]] = shares;
  expect(clean).toBeGreaterThan(75);
  expect(cleanRobust).toBeGreaterThan(75);
  expect(fast).toBeLessThan(60);
  expect(iterated).toBeLessThanOrEqual(fast);
  expect(fastRobust).toBeGreaterThan(fast + 15);
  expect(iteratedRobust).toBeGreaterThan(iterated + 15);
  expect(text).toContain('200 held-out images');
  expect(await sharp(grid).metadata()).toMatchObject({ width: 10 * 30 + 2, height: 3 * 30 + 2 });
}, 120_000);
