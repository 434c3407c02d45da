// Builds packages/cuda-linux-x64/libganvas_cuda.so, the CUDA plugin as it is published: `npm run cuda-package`. For every
// architecture, with the C++ runtime inside and without the folders of this machine; cuBLAS and cuDNN stay outside. What
// the file needs and shows is checked, and its size. Needs nvcc, CMake, ninja, Eigen and the vendor's libraries, which
// native/cuda/cmake/toolkit.cmake finds (GANVAS_CUDA_WHEELS, CUDNN_ROOT, …).

import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareVersions, inspectElf } from './elf.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const build = join(root, 'build', 'cuda-package');
const mostBytes = 15 * 2 ** 20;

function fail(message) {
  console.error(`cuda-package: ${message}`);
  process.exit(1);
}

const run = (command, ...args) => execFileSync(command, args, { stdio: 'inherit' });

const { version, config, optionalDependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
);
const folder = join(root, 'packages', 'cuda-linux-x64');
const own = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
if (own.version !== version || optionalDependencies[own.name] !== version)
  fail(
    `the versions differ: ${own.version} here, ${version} and ${optionalDependencies[own.name]} in ganvas`,
  );

run(
  'cmake',
  ...['-S', join(root, 'native', 'cuda'), '-B', build, '-G', 'Ninja'],
  ...['-DGANVAS_CUDA_RPATH=OFF', '-DGANVAS_PORTABLE=ON'],
);
run('cmake', '--build', build);
const file = join(folder, 'libganvas_cuda.so');
copyFileSync(join(build, 'libganvas_cuda.so'), file);
run('strip', '--strip-unneeded', file);

const elf = inspectElf(file);
const expected = /^(lib(c|m|dl|pthread|rt)\.so|ld-linux|libcublasLt\.so|libcudnn\.so)/;
const strangers = elf.needed.filter((name) => !expected.test(name));
if (strangers.length > 0) fail(`it needs ${strangers.join(', ')}`);
if (elf.exported.join() !== 'ganvas_plugin_entry') fail(`it exports ${elf.exported.join(', ')}`);
if (elf.runtime.length > 0) fail(`it needs ${elf.runtime.join(', ')}: the C++ runtime is not inside`);
if (compareVersions(elf.glibc, config.glibc) > 0)
  fail(`it needs glibc ${elf.glibc} (${elf.newest.join(', ')}), package.json promises ${config.glibc}`);
if (elf.runpath && elf.runpath !== '$ORIGIN') fail(`it remembers the folders ${elf.runpath}`);
const { size } = statSync(file);
if (size > mostBytes) fail(`it has ${(size / 2 ** 20).toFixed(1)} MiB, more than ${mostBytes / 2 ** 20}`);

console.log(`packages/cuda-linux-x64/libganvas_cuda.so: ${(size / 2 ** 20).toFixed(2)} MiB`);
console.log(`  needs    ${elf.needed.join(', ')}`);
console.log(`  glibc    ${elf.glibc} or newer (promised: ${config.glibc})`);
console.log(`  exports  ${elf.exported.join(', ')}`);
