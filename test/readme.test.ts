// The README's library example runs as it stands there and does what its last comment says.

import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

test('the library example of the README learns exclusive or', async () => {
  const readme = await readFile(`${root}README.md`, 'utf8');
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  expect(example).toContain("from 'ganvas'");
  // In a checkout the package is not installed under its own name.
  const file = `${root}test/readme-example.tmp.ts`;
  await writeFile(file, example.replace("'ganvas'", "'../src/index.js'"));
  try {
    const run = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], { cwd: root });
    const numbers = /\[([^\]]*)\]\s*$/.exec(run.stdout)?.[1].split(',').map(Number) ?? [];
    expect(numbers).toHaveLength(4);
    for (const [i, v] of [0, 1, 1, 0].entries()) expect(numbers[i]).toBeCloseTo(v, 1);
    expect(run.stderr).toBe('');
  } finally {
    await rm(file);
  }
});
