// The report of `ganvas doctor`, for machines unlike this one.

import { expect, test } from 'vitest';
import { doctorReport } from '../../src/cli/commands/doctor.js';

const off = { available: false, attempts: [{ what: 'NVIDIA driver', reason: 'no driver: none here' }] };

const rows = (...[status, cuda = off]: Partial<Parameters<typeof doctorReport>>) =>
  Object.fromEntries(doctorReport(status!, cuda));

test('with the addon: where it is, which kernels it runs, why CUDA is off', () => {
  const report = rows({
    loaded: true,
    path: '/opt/ganvas.node',
    origin: 'prebuilt',
    cpu: { target: 'AVX3', targets: ['AVX3', 'AVX2', 'SSE4'], threads: 8 },
  });
  expect(report).toMatchObject({
    addon: '/opt/ganvas.node (prebuilt)',
    'cpu kernels': 'AVX3 (this build and processor have: AVX3, AVX2, SSE4)',
    'cpu threads': '8',
    devices: 'cpu',
    cuda: 'off: no driver: none here',
    'cuda tried': 'NVIDIA driver: no driver: none here',
  });
  expect(report.node).toContain(process.version);
});

test('without it: why not', () => {
  const report = rows({ loaded: false, error: 'file missing' });
  expect(report).toMatchObject({ addon: 'not loaded: file missing', devices: 'none' });
});

test('with a CUDA device: which, and with what', () => {
  const device = {
    name: 'NVIDIA H100',
    capability: '9.0',
    memory: 80 * 2 ** 30,
    devices: 2,
    driver: 13010,
    libraries: 'cuDNN 9.19.0',
    build: 'CUDA 13.0 for 90',
  };
  const cuda = { available: true, device, path: '/opt/libganvas_cuda.so', attempts: [] };
  expect(rows({ loaded: true, path: '/opt/ganvas.node', origin: 'prebuilt' }, cuda)).toMatchObject({
    devices: 'cpu, cuda',
    cuda: 'NVIDIA H100, compute capability 9.0, 80.0 GiB, 1 of 2',
    'cuda plugin': '/opt/libganvas_cuda.so (CUDA 13.0 for 90)',
    'cuda libraries': 'driver for CUDA 13.1, cuDNN 9.19.0',
  });
});
