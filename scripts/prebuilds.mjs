// Builds prebuilds/<platform>-<arch>/, the addon that ships inside the npm package: `npm run prebuilds`.
// prebuildify over cmake-js, with Highway and the C++ runtime inside the file, so that it needs the system's C library
// and nothing else. On Linux the result is checked for that and for the oldest glibc that package.json promises
// (config.glibc). The source of Highway is fetched here, checked by its hash, and never on a user's machine:
// GANVAS_HIGHWAY_TARBALL=FILE takes a copy instead. Needs a compiler, CMake, ninja and Eigen, as scripts/setup.sh does.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import prebuildify from 'prebuildify';
import { compareVersions, inspectElf } from './elf.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const staging = join(root, 'build', 'portable');
const platform = `${process.platform}-${process.arch}`;
const isLinux = process.platform === 'linux';

const highway = {
  folder: 'highway-1.0.3',
  sha256: '566fc77315878473d9a6bd815f7de78c73734acdcb745c3dde8579560ac5440e',
  sources: [
    'https://deb.debian.org/debian/pool/main/h/highway/highway_1.0.3.orig.tar.gz',
    'https://snapshot.debian.org/file/52dee4092ae9d6639f9b91cd8e808b372a99c7fe',
  ],
};

function fail(message) {
  console.error(`prebuilds: ${message}`);
  process.exit(1);
}

const run = (command, ...args) => execFileSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
const isHighway = (bytes) => createHash('sha256').update(bytes).digest('hex') === highway.sha256;

async function fetchHighway() {
  const problems = [];
  for (const url of highway.sources) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(60_000) });
      const bytes = Buffer.from(await response.arrayBuffer());
      if (response.ok && isHighway(bytes)) return bytes;
      problems.push(
        `${url}: ${response.ok ? 'not the file with the expected hash' : `HTTP ${response.status}`}`,
      );
    } catch (error) {
      problems.push(`${url}: ${error.cause?.message ?? error.message}`);
    }
  }
  return fail(
    `the source of Highway cannot be had:\n  ${problems.join('\n  ')}\n` +
      `GANVAS_HIGHWAY_TARBALL=FILE takes a copy with the SHA-256 ${highway.sha256}`,
  );
}

/** The unpacked source tree of Highway. */
async function highwaySource() {
  const archive = join(staging, 'highway.tar.gz');
  const source = join(staging, highway.folder);
  if (existsSync(archive) && existsSync(source) && isHighway(readFileSync(archive))) return source;
  const given = process.env.GANVAS_HIGHWAY_TARBALL;
  const bytes = given ? readFileSync(given) : await fetchHighway();
  if (!isHighway(bytes)) fail(`${given} does not have the SHA-256 ${highway.sha256}`);
  mkdirSync(staging, { recursive: true });
  rmSync(source, { recursive: true, force: true });
  writeFileSync(archive, bytes);
  run('tar', '-xzf', archive, '-C', staging);
  return source;
}

/** What an ELF file needs and shows, checked against what was promised. */
function checkElf(file, oldestGlibc) {
  const elf = inspectElf(file);
  const ofNode = (symbol) => /^(napi|node_api)_/.test(symbol);
  const strangers = elf.needed.filter((name) => !/^(lib(c|m|dl|pthread|rt)\.so|ld-linux)/.test(name));
  if (strangers.length > 0) fail(`${file} needs ${strangers.join(', ')} beside the C library`);
  if (!elf.staysLoaded) fail(`${file} may be unloaded under its threads: it lacks -z nodelete`);
  const nobodys = elf.undefinedNames.filter((symbol) => !ofNode(symbol));
  if (nobodys.length > 0) fail(`${file} calls ${nobodys.slice(0, 5).join(', ')}, which nothing defines`);
  const surplus = elf.exported.filter((symbol) => !ofNode(symbol));
  if (surplus.length > 0)
    fail(`${file} exports ${surplus.slice(0, 5).join(', ')}: see native/binding/exports.map`);
  if (elf.runtime.length > 0) fail(`${file} needs ${elf.runtime.join(', ')}: the C++ runtime is not inside`);
  if (compareVersions(elf.glibc, oldestGlibc) > 0)
    fail(`${file} needs glibc ${elf.glibc} (${elf.newest.join(', ')}), package.json promises ${oldestGlibc}`);
  console.log(`  needs    ${elf.needed.join(', ')}`);
  console.log(`  glibc    ${elf.glibc} or newer (promised: ${oldestGlibc})`);
  console.log(`  exports  ${elf.exported.join(', ')}`);
}

process.env.GANVAS_HIGHWAY_SOURCE = await highwaySource();
const shim = join(root, 'scripts', 'cmake-js-as-node-gyp.cjs');
await promisify(prebuildify)({
  name: 'ganvas',
  cwd: staging,
  out: root,
  napi: true,
  strip: true,
  // Elsewhere there is but one C library.
  tagLibc: isLinux,
  // Windows runs it through a shell, which knows no shebang.
  nodeGyp: process.platform === 'win32' ? `node "${shim}"` : shim,
});

const musl = existsSync('/etc/alpine-release');
const name = isLinux ? `ganvas.${musl ? 'musl' : 'glibc'}.node` : 'ganvas.node';
const file = join(root, 'prebuilds', platform, name);
console.log(`prebuilds/${platform}/${name}: ${(statSync(file).size / 2 ** 20).toFixed(2)} MiB`);
const { config } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
if (isLinux && !musl) checkElf(file, config.glibc);
