// The promise of checkpoints, through the command line: a run killed with SIGKILL at arbitrary moments and resumed ends
// with the bytes of an uninterrupted one.

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryFolder } from './helpers.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = await temporaryFolder();
const steps = 60;
const options =
  `train gan --data mnist --steps ${steps} --batch 16 --hidden 16 --seed 3 --save-every 4 --sample-every 7 --samples 4`.split(
    ' ',
  );

function ganvas(args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], {
    cwd: root,
    env: { ...process.env, GANVAS_SILENT: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise<{ exitCode: number | null; output: string }>((resolve) => {
    child.on('close', (exitCode) => resolve({ exitCode, output }));
  });
  return { child, ended };
}

async function linesOf(path: string): Promise<number> {
  return (await readFile(path, 'utf8').catch(() => '')).split('\n').length - 1;
}

/** Lets a command train until `step` steps are on record, then a random moment longer, and kills it. */
async function killAt(run: string, args: string[], step: number): Promise<void> {
  const { child, ended } = ganvas(args);
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!over && (await linesOf(join(run, 'metrics.jsonl'))) < step) await delay(1);
  await delay(Math.random() * 15);
  child.kill('SIGKILL');
  const { exitCode, output } = await ended;
  // It may have finished on the last moment; it must not have failed.
  if (exitCode !== null) expect(exitCode, output).toBe(0);
}

test('killed three times and resumed, the weights are the same bit for bit', async () => {
  const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
  const { exitCode, output } = await ganvas([...options, '--out', whole]).ended;
  expect(exitCode, output).toBe(0);
  await killAt(killed, [...options, '--out', killed], 1 + Math.floor(Math.random() * 20));
  await killAt(killed, ['train', '--resume', killed], 21 + Math.floor(Math.random() * 15));
  await killAt(killed, ['train', '--resume', killed], 37 + Math.floor(Math.random() * 15));
  const last = await ganvas(['train', '--resume', killed]).ended;
  expect(last.exitCode, last.output).toBe(0);
  for (const name of ['weights.safetensors', 'optim.safetensors']) {
    const file = join('checkpoints', String(steps).padStart(6, '0'), name);
    const [a, b] = await Promise.all([whole, killed].map((run) => readFile(join(run, file))));
    expect(a.equals(b), `${name} differ`).toBe(true);
  }
  const losses = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ step, lossD, lossG }) => ({ step, lossD, lossG }));
  const [a, b] = await Promise.all(
    [whole, killed].map((run) => readFile(join(run, 'metrics.jsonl'), 'utf8')),
  );
  expect(losses(b)).toEqual(losses(a));
}, 240_000);
