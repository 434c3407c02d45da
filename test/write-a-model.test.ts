// The model of docs/write-a-model.md, as it stands there: trained, resumed and sampled from the command line.

import { execFile } from 'node:child_process';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryFolder } from './train/helpers.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = await temporaryFolder();

const ganvas = (...args: string[]) =>
  promisify(execFile)(process.execPath, ['--import', 'tsx', `${root}src/cli/main.ts`, ...args], {
    cwd: root,
    env: { ...process.env, GANVAS_SILENT: '1' },
  });

test('the model of the docs takes one file of under 60 lines, and runs', { timeout: 120_000 }, async () => {
  const page = await readFile(`${root}docs/write-a-model.md`, 'utf8');
  const code = /```js\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  expect(code.trimEnd().split('\n').length).toBeLessThan(60);
  // In a checkout the package is not installed under its own name.
  const file = `${root}test/my-gan.tmp.mjs`;
  await writeFile(file, code.replace("'ganvas'", "'../src/index.ts'"));
  const run = join(folder, 'run');
  const shared = ['--samples', '4', '--device', 'cpu'];
  try {
    const first = await ganvas(
      'train',
      './test/my-gan.tmp.mjs',
      '--width',
      '4',
      '--batch',
      '8',
      '--steps',
      '3',
      '--out',
      run,
      ...shared,
    );
    expect(first.stdout).toContain('done: 3 steps');
    const { model, width } = JSON.parse(await readFile(join(run, 'config.json'), 'utf8'));
    expect([model, width]).toEqual([file, 4]);
    const second = await ganvas('train', '--resume', run, '--steps', '5', ...shared);
    expect(second.stdout).toContain('done: 5 steps');
    const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).step)).toEqual([1, 2, 3, 4, 5]);
    expect(JSON.parse(lines[4])).toHaveProperty('penalty');
    const out = join(folder, 'grid.png');
    await ganvas('sample', run, '--n', '4', '--out', out, '--device', 'cpu');
    expect((await stat(out)).size).toBeGreaterThan(100);
  } finally {
    await rm(file);
  }
});
