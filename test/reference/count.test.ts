// The fixtures as a whole: how many cases are compared with PyTorch, and that a test reads every file of them. A case is
// one entry of a file's list: one call with its values and, where there are any, its first and second derivatives.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const folder = new URL('fixtures/', import.meta.url);
const files = readdirSync(folder).filter((file) => file.endsWith('.json'));

/** The cases of a fixture; files that are not lists hold one story, or a list of `cases`. */
function casesOf(file: string): number {
  const found: unknown = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  if (Array.isArray(found)) return found.length;
  const { cases } = found as { cases?: unknown[] };
  return cases?.length ?? 1;
}

test('at least 400 cases are compared with PyTorch', () => {
  const total = files.reduce((n, file) => n + casesOf(file), 0);
  expect(total).toBeGreaterThanOrEqual(400);
});

test('a test reads every fixture', () => {
  const here = new URL('.', import.meta.url);
  const tests = readdirSync(here)
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(new URL(file, here), 'utf8'))
    .join('\n');
  const named = (file: string) => new RegExp(`\\b${file.replace('.json', '')}\\b`).test(tests);
  expect(files.filter((file) => !named(file))).toEqual([]);
});
