// Finds the native addon's file, loads it, and explains itself when that fails: what was tried, on which platform, and
// what to do about it. Also what the install script asks (scripts/install.cjs). What the addon offers is native.ts.

import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { GanvasError } from './errors.js';
import { manifest, root } from './package-root.js';

/** Where the addon comes from: the environment, a build on this machine, or the binary inside the package. */
export type AddonOrigin = 'GANVAS_ADDON' | 'built here' | 'prebuilt';

interface Candidate {
  path: string;
  origin: AddonOrigin;
}

export interface LoadedAddon<Addon> extends Candidate {
  addon: Addon;
}

export interface FailedAttempt extends Candidate {
  reason: string;
}

/** What decides which binary fits. */
export interface Platform {
  /** `linux-x64`, in Node's words. */
  name: string;
  /** `glibc 2.36`, `musl`, or empty where there is no choice. */
  libc: string;
  node: string;
}

const isMusl = () => existsSync('/etc/alpine-release');

/** The platform this process runs on. Takes some milliseconds on Linux: for explanations only. */
export function thisPlatform(): Platform {
  const { platform, arch, version, report } = process;
  let libc = '';
  if (platform === 'linux') {
    // Else the report looks up the name behind every open connection.
    Object.assign(report, { excludeNetwork: true });
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    const glibc = header?.glibcVersionRuntime;
    libc = glibc === undefined ? 'musl' : `glibc ${glibc}`;
  }
  return { name: `${platform}-${arch}`, libc, node: version };
}

/** The platforms whose binary is inside the package. */
function prebuiltPlatforms(): string[] {
  try {
    return readdirSync(join(root, 'prebuilds')).sort();
  } catch {
    return [];
  }
}

function candidates(): Candidate[] {
  const { GANVAS_ADDON } = process.env;
  // Asked for by name: another one in its place would be a surprise.
  if (GANVAS_ADDON) return [{ path: resolve(GANVAS_ADDON), origin: 'GANVAS_ADDON' }];
  const { platform, arch } = process;
  const file = platform === 'linux' ? `ganvas.${isMusl() ? 'musl' : 'glibc'}.node` : 'ganvas.node';
  return [
    { path: join(root, 'build', 'Release', 'ganvas.node'), origin: 'built here' },
    { path: join(root, 'prebuilds', `${platform}-${arch}`, file), origin: 'prebuilt' },
  ];
}

export interface Failure {
  platform: Platform;
  attempts: readonly FailedAttempt[];
  /** The platforms whose binary is inside the package. */
  prebuilt: readonly string[];
  /** The oldest glibc that those run on: package.json says it, scripts/prebuilds.mjs checks it. */
  oldestGlibc: string;
  /** Whether this is the repository and not the npm package. */
  checkout: boolean;
}

/** What to do so that a binary comes to fit, the likeliest first. */
function* remediesFor({ platform, attempts, prebuilt, oldestGlibc, checkout }: Failure): Generator<string> {
  const { name, libc } = platform;
  if (attempts.some(({ origin }) => origin === 'GANVAS_ADDON')) {
    yield `unset GANVAS_ADDON, or point it at a ganvas.node built for ${name}`;
    return;
  }
  if (checkout) {
    yield 'run scripts/setup.sh, which installs a compiler and builds it';
  } else if (libc === 'musl') {
    yield 'use an image with glibc, such as node:22-slim: there is no prebuilt binary for musl (Alpine)';
  } else if (!prebuilt.includes(name)) {
    const there = prebuilt.length > 0 ? prebuilt.join(', ') : 'nothing';
    yield `if node_modules came from another machine, run npm install ganvas on this one: it is prebuilt for ${there}`;
  } else if (attempts.some(({ reason }) => /GLIBC(XX)?_/.test(reason))) {
    yield `use a newer system or container: the prebuilt binary needs glibc ${oldestGlibc} or newer, this is ${libc}`;
  } else {
    yield 'install again, the file may be damaged: rm -r node_modules/ganvas && npm install ganvas';
  }
  yield 'build it: install a C++17 compiler, cmake, Highway and Eigen (Debian: apt install g++ cmake ninja-build ' +
    'libhwy-dev libeigen3-dev), then run: node node_modules/ganvas/scripts/install.cjs --build';
  yield `point GANVAS_ADDON at a ganvas.node built for ${name}`;
}

/** The message of ERR_NATIVE_MISSING: what was tried on which platform, then numbered remedies. */
export function explainFailure(failure: Failure): string {
  const { name, libc, node } = failure.platform;
  return [
    `the native addon could not be loaded on ${name} (${[libc, `Node ${node}`].filter(Boolean).join(', ')}). Tried:`,
    ...failure.attempts.map(({ path, origin, reason }) => `  ${path} (${origin}): ${reason}`),
    'Remedies:',
    ...[...remediesFor(failure)].map((remedy, i) => `  ${i + 1}. ${remedy}`),
  ].join('\n');
}

/**
 * Loads the first addon that works.
 * @throws GanvasError ERR_NATIVE_MISSING with what was tried and the remedies
 */
export function loadAddon<Addon>(): LoadedAddon<Addon> {
  const require = createRequire(import.meta.url);
  const attempts: FailedAttempt[] = [];
  for (const candidate of candidates()) {
    if (!existsSync(candidate.path)) {
      attempts.push({ ...candidate, reason: 'there is no such file' });
      continue;
    }
    try {
      return { addon: require(candidate.path) as Addon, ...candidate };
    } catch (error) {
      attempts.push({ ...candidate, reason: (error as Error).message.split('\n')[0] });
    }
  }
  throw new GanvasError(
    'ERR_NATIVE_MISSING',
    explainFailure({
      platform: thisPlatform(),
      attempts,
      prebuilt: prebuiltPlatforms(),
      oldestGlibc: manifest.config.glibc,
      checkout: existsSync(join(root, 'src')),
    }),
  );
}
