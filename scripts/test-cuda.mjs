// `npm run test:cuda [vitest's arguments]`: the tests that make sense on a device, on a CUDA device: a real one where the
// plugin and a GPU are there, otherwise the emulated one (build/emulated, see CONTRIBUTING.md), otherwise none, and says so.
//
//   GANVAS_REQUIRE_CUDA=1        a real GPU, or exit with 1
//   GANVAS_REQUIRE_EMULATED=1    at least the emulated device, or exit with 1

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(fileURLToPath(import.meta.url), '../..');
const at = (path) => join(root, path);

/** What is tested on a device, and of it what is about the CPU alone. */
const suites = [
  'test/cuda/against-cpu.test.ts',
  'test/cuda/device.test.ts',
  'test/cuda/memory.test.ts',
  'test/cuda/programs.test.ts',
  'test/tensor',
  'test/nn',
  'test/optim',
  'test/losses',
  'test/augment',
  'test/reference',
  // One step of each model, against PyTorch.
  ...readdirSync(at('test/models'))
    .filter((file) => file.endsWith('-steps.test.ts'))
    .map((file) => `test/models/${file}`),
  'test/train/trainer.test.ts',
  'test/train/capture.test.ts',
  'test/train/precision.test.ts',
];
const leftOut = [
  'test/tensor/threads.test.ts', // threads of the CPU's kernels
  'test/reference/op-table.test.ts', // starts processes of its own
];

/** A device's description, or why there is none; asked in a process of its own, so that nothing stays open here. */
function probe(plugin, withoutDriver) {
  if (!existsSync(plugin)) return `${plugin}: file missing`;
  const ask = `
    const { createRequire } = require('node:module');
    const addon = createRequire(${JSON.stringify(import.meta.url)})(process.argv[1]);
    const { problem } = ${withoutDriver} ? {} : addon.driver();
    const { GANVAS_CUDA_LIBRARY_PATH = '', GANVAS_CUDA_DEVICE } = process.env;
    const opened = problem || addon.openCuda(process.argv[2], GANVAS_CUDA_LIBRARY_PATH, Number(GANVAS_CUDA_DEVICE || 0));
    console.log(JSON.stringify(opened));`;
  try {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] };
    return JSON.parse(execFileSync(process.execPath, ['-e', ask, addon, plugin], options).trim());
  } catch (error) {
    return String(error.stderr || error.message)
      .trim()
      .split('\n')
      .at(-1);
  }
}

const { GANVAS_CUDA_PLUGIN: given, GANVAS_ADDON, GANVAS_CUDA_SKIP_DRIVER } = process.env;
const required = process.env.GANVAS_REQUIRE_CUDA === '1';
const file = 'libganvas_cuda.so';
const addon = GANVAS_ADDON || at('build/Release/ganvas.node');
// Where src/cuda.ts looks.
const places = [
  at(`build/cuda/${file}`),
  join(dirname(addon), file),
  at(`node_modules/@ganvas/cuda-${process.platform}-${process.arch}/${file}`),
];
const real = given || places.find((place) => existsSync(place)) || places[0];
const candidates = [[real, GANVAS_CUDA_SKIP_DRIVER === '1']];
if (!required) candidates.push([at(`build/emulated/${file}`), true]);

let found;
const reasons = [];
for (const [plugin, withoutDriver] of candidates) {
  const answer = probe(plugin, withoutDriver);
  if (typeof answer === 'string') reasons.push(answer);
  else {
    found = { plugin, withoutDriver, ...answer };
    break;
  }
}
const isReal = found && found.build !== 'emulated';
if (!found || (required && !isReal)) {
  const demanded = required || process.env.GANVAS_REQUIRE_EMULATED === '1';
  const why = found ? 'the plugin is the emulated one' : reasons.join('; ');
  console.log(`${demanded ? 'FAILED' : 'SKIPPED'}: no CUDA device: ${why}`);
  process.exit(demanded ? 1 : 0);
}

const device = isReal
  ? `${found.name}, compute capability ${found.capability}, ${found.libraries}`
  : 'emulated device: kernels checked on the host, not run on a GPU';
console.log(device);
if (!isReal) for (const reason of reasons) console.log(`(${reason})`);

const env = { ...process.env, GANVAS_TEST_DEVICE: 'cuda', GANVAS_CUDA_PLUGIN: found.plugin };
if (found.withoutDriver) env.GANVAS_CUDA_SKIP_DRIVER = '1';
const args = process.argv.slice(2);
// Files named by the caller stand in place of all.
const named = args.some((arg) => !arg.startsWith('-') && existsSync(at(arg)));
const exclude = leftOut.flatMap((name) => ['--exclude', name]);

/** Runs vitest and returns its exit code. */
function vitest(...more) {
  const command = [at('node_modules/vitest/vitest.mjs'), 'run', '--test-timeout', '120000', ...more];
  return spawnSync(process.execPath, command, { cwd: root, env, stdio: 'inherit' }).status ?? 1;
}

let status;
if (named || !isReal) {
  status = vitest(...exclude, ...(named ? [] : suites), ...args);
} else {
  // It takes all of the GPU's memory, which the others are using, each in a process of its own.
  const alone = 'test/cuda/memory.test.ts';
  status = vitest(...exclude, '--exclude', alone, ...suites, ...args);
  const aside = args.map((arg) => arg.replace(/^(--outputFile\S*)\.json$/, '$1-alone.json'));
  const last = vitest(alone, ...aside, '--passWithNoTests');
  status ||= last;
}
console.log(device);
process.exit(status);
