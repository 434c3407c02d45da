// What scripts/gpu-check.sh runs: each step in a process of its own with its own time limit, all of its output in a log,
// and what was found as JSON. A step that fails does not stop the later ones. With --emulated the same on the emulated
// device (build/emulated), to try the script where there is no GPU; that is never taken for a result of one. Runs of single
// steps (--only) on the same day and the same sources add up to one report.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { testSummary, type VitestReport } from './gpu-results.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    skip: { type: 'string' },
    emulated: { type: 'boolean', default: false },
    steps: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '5' },
    case: { type: 'string' },
    out: { type: 'string', default: join(root, 'bench/results/gpu') },
  },
});
const { emulated } = options;
const scratch = join(root, 'build/gpu-check');
mkdirSync(scratch, { recursive: true });
mkdirSync(options.out, { recursive: true });

const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' };
if (emulated) {
  env.GANVAS_CUDA_PLUGIN = join(root, 'build/emulated/libganvas_cuda.so');
  env.GANVAS_CUDA_SKIP_DRIVER = '1';
}

/** The standard output of a program that says what it is; undefined if it is not there. */
function says(command: string, ...args: string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', env });
  return status === 0 ? stdout.trim() : undefined;
}

const gpu = emulated
  ? undefined
  : says(
      'nvidia-smi',
      '--query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm',
      '--format=csv,noheader',
    )
      ?.split('\n')[0]
      .split(', ');
const capability = gpu?.[3];
const date = new Date().toISOString().slice(0, 10);
const safe = (emulated ? 'emulated' : (gpu?.[0] ?? 'unknown')).toLowerCase().replace(/[^a-z0-9]+/g, '-');
const base = join(options.out, `${safe}-${date}`);
const log = createWriteStream(`${base}.log`, { flags: 'a' });

/** What was checked, whether or not it is in a git repository: a hash of the sources. */
function sourcesHash(): string {
  const hash = createHash('sha1');
  const visit = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else hash.update(path.slice(root.length)).update(readFileSync(path));
    }
  };
  for (const folder of ['native', 'src', 'test']) visit(join(root, folder));
  return hash.digest('hex');
}

function say(text: string): void {
  process.stdout.write(text);
  log.write(text);
}

/** Runs a program to its end or its time limit, everything it says in the log. */
function run(
  command: string,
  args: string[],
  minutes: number,
  more: NodeJS.ProcessEnv = {},
): Promise<number> {
  say(`\n$ ${[command, ...args].join(' ')}\n`);
  return new Promise((resolve) => {
    // A group of its own, so that at the limit its children end with it.
    const child = spawn(command, args, { cwd: root, env: { ...env, ...more }, detached: true });
    const kill = () => {
      say(`\n(more than ${minutes} minutes: stopped)\n`);
      process.kill(-child.pid!, 'SIGKILL');
    };
    const timer = setTimeout(kill, minutes * 60_000);
    child.stdout.on('data', (chunk) => say(String(chunk)));
    child.stderr.on('data', (chunk) => say(String(chunk)));
    child.on('error', (error) => say(`${error.message}\n`));
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(code ?? 1);
    });
  });
}

interface Outcome {
  ok: boolean;
  /** Why nothing was done, if nothing was. */
  notDone?: string;
  [more: string]: unknown;
}

const read = (file: string): object | undefined =>
  existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
const node = (script: string, args: string[], minutes: number, more: NodeJS.ProcessEnv = {}) =>
  run(process.execPath, ['--import', 'tsx', script, ...args], minutes, more);

/** The addon and the plugin, unless they are there: a machine without their headers is given them ready. */
async function build(): Promise<Outcome> {
  const ninja = says('ninja', '--version') ? ['-G', 'Ninja'] : [];
  const made: string[] = [];
  const make = async (source: string, folder: string, file: string, args: string[]): Promise<boolean> => {
    if (existsSync(join(root, file))) return true;
    made.push(file);
    const configured = await run('cmake', ['-S', source, '-B', folder, ...ninja, ...args], 5);
    if (configured !== 0) return false;
    return (await run('cmake', ['--build', folder, '--parallel', String(availableParallelism())], 20)) === 0;
  };
  const addon = await make('.', 'build', 'build/Release/ganvas.node', [
    '-DCMAKE_BUILD_TYPE=Release',
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(root, 'build/Release')}`,
  ]);
  const file = 'libganvas_cuda.so';
  const brought = [`build/Release/${file}`, `node_modules/@ganvas/cuda-linux-x64/${file}`];
  const arch = capability ? [`-DGANVAS_CUDA_ARCHS=${capability.replace('.', '')}-real`] : [];
  const plugin = emulated
    ? await make('native/cuda', 'build/emulated', 'build/emulated/libganvas_cuda.so', [
        '-DGANVAS_CUDA_EMULATED=ON',
      ])
    : brought.some((path) => existsSync(join(root, path))) ||
      (await make('native/cuda', 'build/cuda', 'build/cuda/libganvas_cuda.so', arch));
  return { ok: addon && plugin, built: made };
}

async function tests(): Promise<Outcome> {
  const file = join(scratch, 'tests.json');
  const required = emulated ? { GANVAS_REQUIRE_EMULATED: '1' } : { GANVAS_REQUIRE_CUDA: '1' };
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  // What runs alone on a GPU has a report of its own.
  const files = [file, file.replace(/\.json$/, '-alone.json')];
  for (const each of files) rmSync(each, { force: true });
  const code = await run(process.execPath, ['scripts/test-cuda.mjs', ...reporters], 25, required);
  const reports = files.map((each) => read(each) as VitestReport | undefined);
  const summary = testSummary({ testResults: reports.flatMap((report) => report?.testResults ?? []) });
  return { ok: code === 0 && summary.failed === 0 && summary.passed > 0, ...summary };
}

async function sanitize(): Promise<Outcome> {
  if (emulated) return { ok: true, notDone: 'there are no kernels of a GPU to watch' };
  const code = await run('bash', ['scripts/gpu-sanitize.sh'], 35);
  return code === 77 ? { ok: true, notDone: 'compute-sanitizer is not installed' } : { ok: code === 0 };
}

async function training(): Promise<Outcome> {
  const file = join(scratch, 'training.json');
  writeFileSync(file, '{}');
  const code = await node('scripts/gpu-train.ts', ['--steps', options.steps, '--json', file], 20);
  return { ok: code === 0, ...read(file) };
}

/** Runs that move from the CPU to the device and back. */
async function checkpoint(): Promise<Outcome> {
  const which = ['test/cuda/programs.test.ts', '-t', 'moves between devices'];
  const required = emulated ? { GANVAS_REQUIRE_EMULATED: '1' } : { GANVAS_REQUIRE_CUDA: '1' };
  return { ok: (await run(process.execPath, ['scripts/test-cuda.mjs', ...which], 5, required)) === 0 };
}

async function bench(): Promise<Outcome> {
  const file = join(scratch, 'bench.json');
  writeFileSync(file, '{}');
  const few = emulated
    ? ['--steps', '1', '--case', 'perceptron']
    : options.case
      ? ['--case', options.case]
      : [];
  const code = await node('bench/gpu/train.ts', ['--rounds', options.rounds, '--json', file, ...few], 25);
  // Cases run one by one add up.
  return { ok: code === 0, cases: { ...(results.bench?.cases as object), ...read(file) } };
}

/** How cuDNN describes the device: what the checks without a GPU need of one. */
async function describeDevice(): Promise<Outcome> {
  if (emulated) return { ok: true, notDone: 'cuDNN is not part of the emulated device' };
  const { CUDNN_ROOT, CUDNN_PATH, GANVAS_CUDA_WHEELS, CUDA_WHEELS } = process.env;
  const wheels = (GANVAS_CUDA_WHEELS ?? CUDA_WHEELS ?? '')
    .split(/[;:]/)
    .map((w) => w && join(w, 'nvidia/cudnn'));
  const places = [CUDNN_ROOT, CUDNN_PATH, ...wheels].filter((p): p is string => Boolean(p) && existsSync(p!));
  const program = join(scratch, 'describe');
  const include = places.map((p) => `-I${join(p, 'include')}`);
  const libraries = places.flatMap((p) => ['lib', 'lib64'].map((lib) => join(p, lib))).filter(existsSync);
  const link = libraries.flatMap((p) => [`-L${p}`, `-Xlinker=-rpath=${p}`]);
  const source = 'native/cuda/deviceless/describe.cpp';
  const compiled = await run('nvcc', [source, '-o', program, ...include, ...link, '-l:libcudnn.so.9'], 5);
  if (compiled !== 0) return { ok: false };
  const search = [...libraries, env.GANVAS_CUDA_LIBRARY_PATH, env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  const { status, stdout, stderr } = spawnSync(program, {
    encoding: 'utf8',
    env: { ...env, LD_LIBRARY_PATH: search },
    timeout: 120_000,
  });
  say(stderr);
  if (status !== 0) return { ok: false };
  const file = `${base}-cudnn.json`;
  writeFileSync(file, stdout);
  return { ok: true, file: file.slice(root.length) };
}

const steps: Record<string, () => Promise<Outcome>> = {
  build,
  tests,
  checkpoint,
  training,
  bench,
  cudnn: describeDevice,
  sanitize,
};

const names = (list: string | undefined) => list?.split(',').map((name) => name.trim());
const unknown = [...(names(options.only) ?? []), ...(names(options.skip) ?? [])].filter(
  (name) => !(name in steps),
);
if (unknown.length > 0) {
  console.error(
    `gpu-check: there is no step ${unknown.join(', ')}; there are ${Object.keys(steps).join(', ')}`,
  );
  process.exit(2);
}
const chosen = Object.keys(steps).filter(
  (name) => (names(options.only)?.includes(name) ?? true) && !names(options.skip)?.includes(name),
);

const sources = sourcesHash();
const kept = join(scratch, `${safe}-${date}-${sources}.json`);
const results: Record<string, Outcome & { seconds: number }> = { ...read(kept) };
for (const name of chosen) {
  say(`\n=== ${name} ===\n`);
  const began = performance.now();
  const outcome = await steps[name]().catch((error: Error): Outcome => ({ ok: false, error: error.message }));
  const seconds = Math.round((performance.now() - began) / 1000);
  results[name] = { ...outcome, seconds };
  const state = outcome.notDone ? `nothing done: ${outcome.notDone}` : outcome.ok ? 'passed' : 'FAILED';
  say(`\n=== ${name}: ${state}, ${seconds} s ===\n`);
}

writeFileSync(kept, JSON.stringify(results));
const doctor = says(process.execPath, '--import', 'tsx', 'src/cli/main.ts', 'doctor');
const [device = 'emulated on the host', driver, memory, , clock] = gpu ?? [];
const report = {
  device: emulated ? 'emulated on the host' : device,
  emulated,
  date: new Date().toISOString(),
  versions: {
    ganvas: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
    commit: says('git', 'rev-parse', 'HEAD'),
    sources,
    node: process.version,
    driver,
    memory,
    clock,
    capability,
    nvcc: says('nvcc', '--version')?.split('\n').at(-1),
    doctor: doctor?.split('\n'),
  },
  steps: results,
};
writeFileSync(`${base}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
say(`\n${doctor ?? ''}\n\n`);
for (const [name, { ok, notDone, seconds }] of Object.entries(results)) {
  say(
    `${name.padEnd(11)} ${notDone ? `nothing done: ${notDone}` : ok ? 'passed' : 'FAILED'} (${seconds} s)\n`,
  );
}
say(`\nwritten: ${base}.json and .log\n`);
log.end();
process.exitCode = chosen.every((name) => results[name].ok) ? 0 : 1;
