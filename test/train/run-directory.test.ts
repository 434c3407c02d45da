// Run directories: never overwritten, appended to, torn by kills and mended, checkpoints whole or absent.

import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PlainTensor } from '../../src/io/safetensors.js';
import { RunDirectory } from '../../src/train/run-directory.js';
import { temporaryDirectory } from '../temporary-directory.js';

const named = (value: number) =>
  new Map<string, PlainTensor>([
    ['g.weight', { dtype: 'f32', shape: [2], data: Float32Array.of(value, -value) }],
  ]);

const content = (value: number) => {
  return { weights: named(value), optim: named(2 * value), state: { cursor: { batches: value } } };
};

async function freshRun(): Promise<RunDirectory> {
  const out = join(await temporaryDirectory(), 'run');
  const run = await RunDirectory.create({ model: 'dcgan', data: 'mnist', out });
  await run.writeConfig({ model: 'dcgan' });
  return run;
}

describe('creating', () => {
  test('takes the next free number, whatever lies there', async () => {
    const root = join(await temporaryDirectory(), 'runs');
    const make = async (data: string) => (await RunDirectory.create({ model: 'dcgan', data, root })).path;
    expect(await make('mnist')).toBe(join(root, 'dcgan-mnist-001'));
    expect(await make('mnist')).toBe(join(root, 'dcgan-mnist-002'));
    await mkdir(join(root, 'dcgan-mnist-041'));
    await writeFile(join(root, 'dcgan-mnist-notes'), '');
    expect(await make('mnist')).toBe(join(root, 'dcgan-mnist-042'));
    expect(await make('/data/My Photos!/')).toBe(join(root, 'dcgan-My-Photos-001'));
    expect(await make('..')).toBe(join(root, 'dcgan-run-001'));
    const several = await Promise.all(Array.from({ length: 5 }, () => make('faces')));
    expect(new Set(several).size).toBe(5);
  });

  test('takes an empty directory, refuses a run and anything else', async () => {
    const directory = await temporaryDirectory();
    const at = (name: string) =>
      RunDirectory.create({ model: 'gan', data: 'mnist', out: join(directory, name) });
    await mkdir(join(directory, 'empty'));
    expect(await readdir((await at('empty')).path)).toEqual(['checkpoints', 'samples']);
    const run = await at('deep/er/run');
    await run.writeConfig({});
    await expect(at('deep/er/run')).rejects.toMatchObject({
      code: 'ERR_RUN_EXISTS',
      message: `${run.path} already holds a run: continue it with --resume ${run.path}, or choose another --out`,
    });
    await expect(at('deep')).rejects.toMatchObject({ code: 'ERR_RUN_EXISTS' });
    await writeFile(join(directory, 'file'), '');
    await expect(at('file')).rejects.toMatchObject({ code: 'ERR_FILE_IO' });
    await expect(at('file/below')).rejects.toMatchObject({ code: 'ERR_FILE_IO' });
  });
});

describe('opening', () => {
  test('needs a config.json', async () => {
    const run = await freshRun();
    expect(await (await RunDirectory.open(run.path)).readConfig()).toEqual({ model: 'dcgan' });
    await expect(RunDirectory.open('/nowhere')).rejects.toMatchObject({ code: 'ERR_FILE_IO' });
    await expect(RunDirectory.open(join(run.path, 'samples'))).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT',
    });
  });
});

describe('metrics', () => {
  test('are appended as lines, and read back', async () => {
    const run = await freshRun();
    expect(await run.readMetrics()).toEqual([]);
    for (let step = 1; step <= 3; step++) await run.appendMetrics({ step, lossD: step / 2 });
    await run.appendMetrics({ step: 4, lossD: Number.NaN });
    await run.close();
    expect((await readFile(join(run.path, 'metrics.jsonl'), 'utf8')).split('\n')).toHaveLength(5);
    expect((await run.readMetrics()).map(({ lossD }) => lossD)).toEqual([0.5, 1, 1.5, null]);
  });

  test('torn anywhere, continue from any step with the lines up to it', async () => {
    const run = await freshRun();
    for (let step = 1; step <= 4; step++) await run.appendMetrics({ step, lossD: 0.25 });
    await run.close();
    const path = join(run.path, 'metrics.jsonl');
    const whole = await readFile(path, 'utf8');
    for (let length = 0; length <= whole.length; length++) {
      await writeFile(path, whole.slice(0, length));
      await run.continueFrom(2);
      await run.appendMetrics({ step: 3, lossD: 0.5 });
      await run.close();
      const steps = (await run.readMetrics()).map(({ step }) => step);
      const complete = whole.slice(0, length + 1).split('\n').length - 1;
      expect(steps).toEqual([1, 2].slice(0, complete).concat(3));
    }
  });
});

describe('checkpoints', () => {
  test('are saved and loaded whole', async () => {
    const run = await freshRun();
    await expect(run.loadCheckpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' });
    const path = await run.saveCheckpoint(500, content(1));
    expect(path).toBe(join(run.path, 'checkpoints', '000500'));
    expect((await readdir(path)).sort()).toEqual(['optim.safetensors', 'state.json', 'weights.safetensors']);
    await run.saveCheckpoint(1000, content(2));
    const latest = await run.loadCheckpoint();
    expect(latest).toMatchObject({ step: 1000, weights: named(2), optim: named(4) });
    expect(latest.state.cursor).toEqual({ batches: 2 });
    expect((await run.loadCheckpoint(500)).weights).toEqual(named(1));
    await expect(run.loadCheckpoint(7)).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT',
      message: expect.stringContaining('no checkpoint of step 7; there are: 500, 1000'),
    });
    for (const step of [-1, 1.5, Number.NaN]) {
      await expect(run.saveCheckpoint(step, content(1))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    }
  });

  test('of the same step are replaced', async () => {
    const run = await freshRun();
    await run.saveCheckpoint(500, content(1));
    await run.saveCheckpoint(500, content(3));
    expect((await run.loadCheckpoint()).weights).toEqual(named(3));
    expect((await readdir(join(run.path, 'checkpoints'))).sort()).toEqual(['000500', 'latest']);
  });

  test('only the last ones are kept when asked for', async () => {
    const run = await freshRun();
    for (const step of [1, 2, 3, 4]) await run.saveCheckpoint(step, content(step), 2);
    expect(await run.checkpointSteps()).toEqual([3, 4]);
  });

  test('a missing, torn or doctored `latest` falls back to the newest one', async () => {
    const run = await freshRun();
    await run.saveCheckpoint(500, content(1));
    await run.saveCheckpoint(1000, content(2));
    const latest = join(run.path, 'checkpoints', 'latest');
    for (const text of ['', '0010', '009999\n', '../../secret\n', '/etc\n', '\0', '000500/../000500']) {
      await writeFile(latest, text);
      expect(await run.latestStep()).toBe(1000);
    }
    await writeFile(latest, '000500');
    expect(await run.latestStep()).toBe(500);
    await rm(latest);
    expect(await run.latestStep()).toBe(1000);
  });

  test('what a kill left half-written is swept when the run is continued', async () => {
    const run = await freshRun();
    const checkpoints = join(run.path, 'checkpoints');
    await run.saveCheckpoint(500, content(1));
    await rename(join(checkpoints, '000500'), join(checkpoints, '.tmp-old-000500'));
    await mkdir(join(checkpoints, '.tmp-001000'));
    await run.continueFrom(500);
    expect((await readdir(checkpoints)).sort()).toEqual(['000500', 'latest']);
    expect((await run.loadCheckpoint()).weights).toEqual(named(1));
  });

  test.each([
    ['weights.safetensors', 'ERR_FILE_FORMAT'],
    ['optim.safetensors', 'ERR_FILE_FORMAT'],
    ['state.json', 'ERR_CHECKPOINT'],
  ])('a truncated %s is refused', async (file, code) => {
    const run = await freshRun();
    const path = join(await run.saveCheckpoint(500, content(1)), file);
    await truncate(path, 20);
    await expect(run.loadCheckpoint()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(path),
    });
  });

  test.each(['null', '[]', '{"format": 2, "step": 500}', '{"format": 1, "step": 400}'])(
    'the state %s is refused',
    async (text) => {
      const run = await freshRun();
      await writeFile(join(await run.saveCheckpoint(500, content(1)), 'state.json'), text);
      await expect(run.loadCheckpoint()).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' });
    },
  );

  test('a failing save leaves the earlier ones and `latest` alone', async () => {
    const run = await freshRun();
    await run.saveCheckpoint(500, content(1));
    const broken = { ...content(2), weights: new Map([['../x', named(1).get('g.weight')!]]) };
    await expect(run.saveCheckpoint(1000, broken)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await writeFile(join(run.path, 'checkpoints', '.tmp-001000'), 'in the way');
    await run.saveCheckpoint(1000, content(2));
    expect(await run.checkpointSteps()).toEqual([500, 1000]);
  });
});

test('samples are numbered by step', async () => {
  const run = await freshRun();
  expect(run.samplePath(500)).toBe(join(run.path, 'samples', '000500.png'));
  expect(run.samplePath(1_234_567)).toBe(join(run.path, 'samples', '1234567.png'));
});
