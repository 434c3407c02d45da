// `npm run ops`: the op table as it stands, made from the table itself, the samples that the tests are generated from, the
// naive references, the fixtures of PyTorch, and what has been recorded of GPUs; nothing in it is kept by hand. Exits with 1
// if an op is untested.

import { readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type OpSpec, opTable, type Sample, upload } from '../../src/tensor/define.js';
import '../../src/tensor/ops/index.js';
import { type GpuClaims, gpuClaims } from '../../scripts/gpu-results.js';
import { scope } from '../../src/tensor/scope.js';
import type { DType } from '../../src/tensor/tensor.js';
import { draw, randomFrom, toTyped } from '../tensor/numeric.js';
import { references } from './naive/index.js';

/** One line of the table. */
export interface OpRow {
  op: string;
  dtypes: string;
  cpu: string;
  /** What a GPU has shown: its result, by bench/results/gpu, agrees with the CPU's. */
  cuda: 'yes' | 'FAILED' | 'not run on a GPU';
  /** Whether generated tests check the gradient, and the gradient of the gradient; '-' where there is none. */
  first: string;
  second: string;
  reference: 'both' | 'naive' | 'PyTorch' | 'none';
  tested: boolean;
}

const dtypeNames: DType[] = ['f32', 'bf16', 'i32', 'u8'];

/** Whether the op runs on the sample with the first `count` of its f32 inputs in another dtype. */
function accepts(spec: OpSpec<never>, sample: Sample<never>, dtype: DType, count: number): boolean {
  return scope(() => {
    try {
      const random = randomFrom(spec.name);
      let left = count;
      const inputs = sample.inputs.map((input, k) => {
        const own = input.dtype ?? 'f32';
        const type = own === 'f32' && left-- > 0 ? dtype : own;
        const { shape, data } = draw({ ...input, dtype: type }, k, random);
        return upload(toTyped(data, type), shape, type);
      });
      spec.run(inputs, sample.attrs);
      return true;
    } catch {
      return false;
    }
  });
}

const isFloat = (sample: Sample<never>): boolean => sample.inputs.some((i) => (i.dtype ?? 'f32') === 'f32');

function dtypesOf(spec: OpSpec<never>, samples: Sample<never>[]): DType[] {
  const sample = samples.find(isFloat);
  const declared = new Set(samples.flatMap((s) => s.inputs.map((i) => i.dtype ?? 'f32')));
  if (!sample) return dtypeNames.filter((d) => declared.has(d));
  // Parameters, which come last, may have to stay f32.
  const counts = sample.inputs.map((_, i) => i + 1);
  return dtypeNames.filter((d) => counts.some((count) => accepts(spec, sample, d, count)));
}

/** Describes each op; `fixtures` holds the names of ops that a fixture has numbers for. */
export function describeOps(
  table: ReadonlyMap<string, OpSpec<never>>,
  naive: Record<string, unknown>,
  fixtures: ReadonlySet<string>,
  gpu: GpuClaims = gpuClaims(),
): OpRow[] {
  return Array.from(table, ([op, spec]) => {
    const samples = spec.samples();
    const differentiated = samples.some((s) => s.gradient !== false && isFloat(s));
    // test/tensor/ops.test.ts takes both orders of every sample with a gradient, against the naive reference.
    const order = spec.vjp ? (differentiated && op in naive ? 'yes' : 'NO') : '-';
    const reference =
      op in naive ? (fixtures.has(op) ? 'both' : 'naive') : fixtures.has(op) ? 'PyTorch' : 'none';
    return {
      op,
      dtypes: dtypesOf(spec, samples).join(' '),
      cpu: 'yes',
      cuda: gpu.failed.has(op) ? 'FAILED' : gpu.passed.has(op) ? 'yes' : 'not run on a GPU',
      first: order,
      second: order,
      reference,
      tested: reference !== 'none' && order !== 'NO' && samples.length > 0,
    };
  });
}

/** What the fixtures name as `op`, or as the key of numbers: ops of the table and functions composed of them. */
export function fixtureOps(table: ReadonlyMap<string, unknown>): Set<string> {
  const found = new Set<string>();
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, item] of Object.entries(value)) {
      if (key === 'op' && typeof item === 'string') found.add(item);
      else if (table.has(key) && typeof item === 'object' && !Array.isArray(item)) found.add(key);
      collect(item);
    }
  };
  const folder = new URL('fixtures/', import.meta.url);
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.json')) collect(JSON.parse(readFileSync(new URL(file, folder), 'utf8')));
  }
  return found;
}

function print(rows: OpRow[], composed: string[]): void {
  const columns = ['op', 'dtypes', 'cpu', 'cuda', 'first', 'second', 'reference'] as const;
  const heads = {
    op: 'op',
    dtypes: 'dtypes',
    cpu: 'CPU',
    cuda: 'CUDA',
    first: '1st order',
    second: '2nd order',
    reference: 'reference',
  };
  const widths = columns.map((c) => Math.max(heads[c].length, ...rows.map((r) => r[c].length)));
  const line = (cells: readonly string[]) =>
    console.log(
      cells
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    );
  line(columns.map((c) => heads[c]));
  for (const row of rows) line(columns.map((c) => row[c]));
  const untested = rows.filter((r) => !r.tested).map((r) => r.op);
  console.log(`\n${rows.length} ops; untested: ${untested.join(', ') || 'none'}`);
  console.log(`GPUs that the ops have been run on: ${gpuClaims().devices.join(', ') || 'none'}`);
  console.log(`Composed of them and compared with PyTorch as well: ${composed.join(', ')}`);
}

/** Prints the table and returns the exit code: 1 if an op is untested. */
export function main(): number {
  const fixtures = fixtureOps(opTable);
  const rows = describeOps(opTable, references, fixtures);
  print(rows, [...fixtures].filter((op) => !opTable.has(op)).sort());
  return rows.every((row) => row.tested) ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = main();
