// What scripts/gpu-check.sh found on GPUs, as bench/results/gpu/*.json record it, and what may be claimed of it: `npm run ops`
// and the README's table ask here, and nothing is entered by hand.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How the tests on a device ended. */
export interface TestSummary {
  passed: number;
  failed: number;
  skipped: number;
  /** Of the op table: those whose every sample agreed with the CPU's, and those of which one did not. */
  ops: { passed: string[]; failed: string[] };
  /** Names of the tests that failed, at most a hundred. */
  failures: string[];
}

/** What is read of vitest's JSON report. */
export interface VitestReport {
  testResults?: {
    name: string;
    status: string;
    assertionResults: { ancestorTitles: string[]; title: string; status: string }[];
  }[];
}

/** The part of a report that concerns claims; see gpu-check.ts for the whole. */
interface GpuReport {
  device: string;
  emulated: boolean;
  date: string;
  steps: { tests?: TestSummary & { ok: boolean } };
}

/** What vitest's JSON report says, in short. */
export function testSummary({ testResults = [] }: VitestReport): TestSummary {
  const counts: Record<string, number> = {};
  const failures: string[] = [];
  const ops = new Map<string, boolean>();
  for (const { name: file, status: outcome, assertionResults } of testResults) {
    if (outcome === 'failed' && assertionResults.length === 0) failures.push(file);
    for (const { ancestorTitles, title, status } of assertionResults) {
      counts[status] = (counts[status] ?? 0) + 1;
      if (status === 'failed') failures.push([...ancestorTitles, title].join(' > '));
      const op = ancestorTitles.at(-1);
      if (!op || !/^(f32|bf16|TF32) #\d+ /.test(title)) continue;
      ops.set(op, (ops.get(op) ?? true) && status === 'passed');
    }
  }
  const { passed = 0, failed = 0, skipped = 0, pending = 0, todo = 0 } = counts;
  const named = (good: boolean) => [...ops].filter(([, ok]) => ok === good).map(([op]) => op);
  return {
    passed,
    // A file that could not even be loaded has no tests to count.
    failed: Math.max(failed, failures.length),
    skipped: skipped + pending + todo,
    ops: { passed: named(true), failed: named(false) },
    failures: failures.slice(0, 100),
  };
}

/** An op that passed everywhere it was tried on a GPU, with the devices; the others were not run or failed on one. */
export interface GpuClaims {
  devices: string[];
  passed: ReadonlySet<string>;
  failed: ReadonlySet<string>;
}

const folder = fileURLToPath(new URL('../bench/results/gpu/', import.meta.url));

/** What the newest report of each device allows to say. Reports of the emulated device say nothing about a GPU. */
export function gpuClaims(from = folder): GpuClaims {
  let names: string[] = [];
  try {
    names = readdirSync(from).filter((name) => /-\d{4}-\d\d-\d\d\.json$/.test(name));
  } catch {
    // No GPU has been seen.
  }
  const newest = new Map<string, GpuReport>();
  for (const name of names.sort()) {
    const report: GpuReport = JSON.parse(readFileSync(join(from, name), 'utf8'));
    const earlier = newest.get(report.device);
    if (!report.emulated && report.steps.tests && !(earlier && earlier.date > report.date))
      newest.set(report.device, report);
  }
  const reports = [...newest.values()];
  const failed = new Set(reports.flatMap(({ steps }) => steps.tests!.ops.failed));
  const passed = new Set(
    reports.flatMap(({ steps }) => steps.tests!.ops.passed).filter((op) => !failed.has(op)),
  );
  return { devices: reports.map(({ device }) => device), passed, failed };
}
