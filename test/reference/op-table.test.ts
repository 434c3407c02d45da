// `npm run ops`: every op is tested, and one that is not makes it fail.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type OpSpec, opTable } from '../../src/tensor/define.js';
import '../../src/tensor/ops/index.js';
import { references } from './naive/index.js';
import { describeOps, fixtureOps } from './op-table.js';

/** Runs a script of this folder as npm run ops does. */
function run(script: string): { status: number | null; lines: string[] } {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', file], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return { status, lines: stdout.split('\n') };
}

describe('npm run ops', () => {
  test('prints a line for each op and succeeds', () => {
    const { status, lines } = run('op-table.ts');
    for (const op of opTable.keys()) expect(lines.filter((l) => l.startsWith(`${op} `))).toHaveLength(1);
    expect(lines).toContain(`${opTable.size} ops; untested: none`);
    expect(status).toBe(0);
  });

  test('fails when an op has no test', () => {
    const { status, lines } = run('child/untested-op.ts');
    expect(lines).toContain(`${opTable.size + 1} ops; untested: forgotten`);
    expect(status).toBe(1);
  });
});

describe('the description', () => {
  const rows = describeOps(opTable, references, fixtureOps(opTable));
  const row = (op: string) => rows.find((r) => r.op === op);

  test('knows dtypes, orders and references', () => {
    expect(row('gelu')).toMatchObject({ dtypes: 'f32 bf16', first: 'yes', second: 'yes', reference: 'both' });
    expect(row('argmax')).toMatchObject({ first: '-', second: '-', reference: 'naive' });
    expect(row('takeAlongAxis')?.dtypes).toBe('f32 bf16 i32 u8');
  });

  test('an op whose gradient nothing checks is untested', () => {
    const spec = opTable.get('add') as OpSpec<never>;
    const samples = () => spec.samples().map((s) => ({ ...s, gradient: false }));
    const table = new Map([['add', { ...spec, samples }]]);
    expect(describeOps(table, references, new Set())[0]).toMatchObject({ first: 'NO', tested: false });
    const alone = describeOps(new Map([['add', spec]]), {}, new Set(['add']));
    expect(alone[0]).toMatchObject({ reference: 'PyTorch', first: 'NO', tested: false });
  });
});
