// The report of `ganvas doctor`, for machines unlike this one.

import { expect, test } from 'vitest';
import { doctorReport } from '../../src/cli/commands/doctor.js';

const rows = (status: Parameters<typeof doctorReport>[0]) => Object.fromEntries(doctorReport(status));

test('with the addon: where it is, which kernels it runs, why CUDA is off', () => {
  const report = rows({
    loaded: true,
    path: '/opt/ganvas.node',
    origin: 'prebuilt',
    cpu: { target: 'AVX3', targets: ['AVX3', 'AVX2', 'SSE4'], threads: 8 },
    cuda: { available: false, reason: 'no driver' },
  });
  expect(report).toMatchObject({
    addon: '/opt/ganvas.node (prebuilt)',
    'cpu kernels': 'AVX3 (this build and processor have: AVX3, AVX2, SSE4)',
    'cpu threads': '8',
    devices: 'cpu',
    cuda: 'off: no driver',
  });
  expect(report.node).toContain(process.version);
});

test('without it: why not', () => {
  const report = rows({
    loaded: false,
    error: 'file missing',
    cuda: { available: false, reason: 'no addon' },
  });
  expect(report).toMatchObject({ addon: 'not loaded: file missing', devices: 'none' });
});
