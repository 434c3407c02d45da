// What may be said of GPUs follows from what scripts/gpu-check.sh recorded on them, and from nothing else: the op table's
// column, the README's platform table, and the reading of vitest's report.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { gpuClaims, testSummary } from '../../scripts/gpu-results.js';
import { opTable } from '../../src/tensor/define.js';
import { root } from '../install/packed.js';
import { describeOps } from '../reference/op-table.js';
import { temporaryDirectory } from '../temporary-directory.js';

const result = (op: string, title: string, status: string) => ({
  ancestorTitles: ['on CUDA as on the CPU', op],
  title,
  status,
});

test('an op counts when all of its samples passed', () => {
  const assertionResults = [
    result('add', 'f32 #0 [2,3]', 'passed'),
    result('add', 'bf16 #0 [2,3]', 'passed'),
    result('matmul', 'f32 #0 [2,3]', 'passed'),
    result('matmul', 'TF32 #0 [2,3]', 'failed'),
    result('relu', 'f32 #0 [2,3]', 'skipped'),
    { ancestorTitles: ['memory()'], title: 'a peak goes back', status: 'passed' },
  ];
  const summary = testSummary({
    testResults: [
      { name: 'a.test.ts', status: 'failed', assertionResults },
      { name: 'broken.test.ts', status: 'failed', assertionResults: [] },
    ],
  });
  expect(summary).toEqual({
    passed: 4,
    failed: 2,
    skipped: 1,
    ops: { passed: ['add'], failed: ['matmul', 'relu'] },
    failures: ['on CUDA as on the CPU > matmul > TF32 #0 [2,3]', 'broken.test.ts'],
  });
  expect(testSummary({})).toMatchObject({ passed: 0, failed: 0, ops: { passed: [], failed: [] } });
});

test('claims come from the newest report of each GPU, never from the emulated device', async () => {
  const folder = await temporaryDirectory();
  const report = (device: string, day: string, passed: string[], failed: string[], emulated = false) =>
    writeFile(
      join(folder, `${device}-2026-01-${day}.json`),
      JSON.stringify({
        device,
        emulated,
        date: `2026-01-${day}T00:00:00Z`,
        steps: { tests: { ok: failed.length === 0, ops: { passed, failed } } },
      }),
    );
  expect(gpuClaims(join(folder, 'none')).devices).toEqual([]);
  await report('emulated', '05', ['sub'], [], true);
  await writeFile(join(folder, 'h100-2026-01-02-cudnn.json'), '{}');
  expect(gpuClaims(folder)).toEqual({ devices: [], passed: new Set(), failed: new Set() });
  await report('h100', '01', ['mul'], ['add']);
  await report('h100', '02', ['add', 'mul'], []);
  await report('a100', '01', ['add'], ['mul']);
  const claims = gpuClaims(folder);
  expect(claims).toEqual({ devices: ['a100', 'h100'], passed: new Set(['add']), failed: new Set(['mul']) });

  const rows = describeOps(opTable, {}, new Set(), claims);
  const column = (op: string) => rows.find((row) => row.op === op)?.cuda;
  expect([column('add'), column('mul'), column('sub')]).toEqual(['yes', 'FAILED', 'not run on a GPU']);
});

test('a report without tests claims nothing', async () => {
  const folder = await temporaryDirectory();
  await mkdir(join(folder, 'logs'));
  const steps = { build: { ok: true } };
  const text = JSON.stringify({ device: 'h100', emulated: false, date: '2026-01-01', steps });
  await writeFile(join(folder, 'h100-2026-01-01.json'), text);
  expect(gpuClaims(folder).devices).toEqual([]);
});

test("the README's table says of GPUs what the recorded results say", async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const row = readme.split('\n').find((line) => /^\| GPU\s/.test(line)) ?? '';
  const { devices, failed } = gpuClaims();
  if (devices.length === 0) expect(row).toContain('not run on a GPU');
  else expect(row).not.toContain('not run on a GPU');
  for (const device of devices) expect(row).toContain(device);
  for (const op of failed) expect(row).toContain(op);
});
