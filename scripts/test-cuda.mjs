// `npm run test:cuda [vitest's arguments]`: the tests that make sense on a device, on a CUDA device: a real one where the
// plugin and a GPU are there, otherwise the emulated one (build/emulated, see CONTRIBUTING.md), otherwise none, and says so.
//
//   GANVAS_REQUIRE_CUDA=1        a real GPU, or exit with 1
//   GANVAS_REQUIRE_EMULATED=1    at least the emulated device, or exit with 1

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
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
  const addon = process.env.GANVAS_ADDON || at('build/Release/ganvas.node');
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

const given = process.env.GANVAS_CUDA_PLUGIN;
const required = process.env.GANVAS_REQUIRE_CUDA === '1';
const candidates = [
  [given || at('build/cuda/libganvas_cuda.so'), process.env.GANVAS_CUDA_SKIP_DRIVER === '1'],
];
if (!required) candidates.push([at('build/emulated/libganvas_cuda.so'), true]);

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
const files = args.some((arg) => !arg.startsWith('-') && existsSync(at(arg))) ? [] : suites;
const exclude = leftOut.flatMap((file) => ['--exclude', file]);
const vitest = [
  at('node_modules/vitest/vitest.mjs'),
  'run',
  '--test-timeout',
  '120000',
  ...exclude,
  ...files,
  ...args,
];
const { status } = spawnSync(process.execPath, vitest, { cwd: root, env, stdio: 'inherit' });
console.log(device);
process.exit(status ?? 1);
