// What a program sees of CUDA, in a process of its own, because the loader asks once: loader.test.ts sets its environment
// and reads the report. What device('auto') says on stderr is there.

import { readFileSync } from 'node:fs';
import { doctorReport } from '../../src/cli/commands/doctor.js';
import { cudaStatus } from '../../src/cuda.js';
import { device } from '../../src/device.js';
import { nativeStatus } from '../../src/native.js';
import { add, tensor } from '../../src/tensor/ops/index.js';

const auto = [device('auto'), device('auto')];
let error: { code?: string; message?: string } = {};
try {
  device('cuda');
} catch (e) {
  const { code, message } = e as { code: string; message: string };
  error = { code, message };
}
const three = await add(tensor([1]), 2).item();
const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
const libraries = new Set(maps.map((line) => line.split('/').at(-1)!).filter((name) => name.includes('.so')));
const rows = Object.fromEntries(doctorReport(nativeStatus(), cudaStatus()));
console.log(JSON.stringify({ auto, error, three, rows, libraries: [...libraries] }));
