// The executable as a process: Ctrl-C once and twice, a reader that goes away, exit codes.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const main = fileURLToPath(new URL('main-stand-in.ts', import.meta.url));

function start(...argv: string[]) {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', main, ...argv]);
  let [out, err] = ['', ''];
  child.stdout!.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr!.on('data', (chunk) => {
    err += chunk;
  });
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, out, err }));
  });
  const printed = (text: string) =>
    new Promise<void>((resolve) => {
      const check = () => out.includes(text) && resolve();
      child.stdout!.on('data', check);
      check();
    });
  return { child, ended, printed };
}

test('a run ends with 0', async () => {
  const { code, out, err } = await start('train', 'dcgan', '--data', 'mnist', '--steps', '3').ended;
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain('step 3/3');
});

test('the first Ctrl-C stops and saves, says how to go on, and exits with 130', async () => {
  const { child, ended, printed } = start('train', 'dcgan', '--data', 'mnist', '--steps', '100000');
  await printed('step 1/');
  child.kill('SIGINT');
  const { code, out } = await ended;
  expect(code).toBe(130);
  expect(out).toMatch(
    /stopped and saved at step \d+; continue with: ganvas train --resume runs\/dcgan-mnist-001\n$/,
  );
});

test('SIGTERM does the same, with 143', async () => {
  const { child, ended, printed } = start('train', 'dcgan', '--data', 'mnist', '--steps', '100000');
  await printed('step 1/');
  child.kill('SIGTERM');
  expect((await ended).code).toBe(143);
});

test('the second Ctrl-C exits at once', async () => {
  // Seed 15 makes the stand-in take a minute over its saving.
  const { child, ended, printed } = start(
    'train',
    'dcgan',
    '--data',
    'mnist',
    '--steps',
    '100000',
    '--seed',
    '15',
  );
  await printed('step 1/');
  child.kill('SIGINT');
  await printed('press Ctrl-C again');
  const before = Date.now();
  child.kill('SIGINT');
  expect((await ended).code).toBe(130);
  expect(Date.now() - before).toBeLessThan(5000);
});

test('a reader that goes away does not stop a run', async () => {
  const { child, ended, printed } = start('train', 'dcgan', '--data', 'mnist', '--steps', '200');
  await printed('step 1/');
  child.stdout!.destroy();
  expect(await ended).toMatchObject({ code: 0, err: '' });
});

test('a mistake ends with 2 and one sentence', async () => {
  const { code, out, err } = await start('train', 'dcgna').ended;
  expect({ code, out, err }).toEqual({
    code: 2,
    out: '',
    err: 'ganvas: unknown model "dcgna"; did you mean "dcgan"?\n',
  });
});
