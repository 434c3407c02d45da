// What a shared object of Linux needs and shows, read with binutils, for the checks of what is published.

import { execFileSync } from 'node:child_process';

const run = (command, ...args) => execFileSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });

export const compareVersions = (a, b) => a.localeCompare(b, 'en', { numeric: true });

const lastWord = (line) => line.trim().split(/\s+/).at(-1);

/**
 * @returns needed libraries; exported names; undefined names that no version of the C library is named for; versions of
 *   the C++ runtime that it asks for; the newest glibc that it asks for, and the functions that are to blame; RUNPATH;
 *   whether it stays loaded
 */
export function inspectElf(file) {
  const dynamic = run('readelf', '--dynamic', '--wide', file);
  const symbols = run('objdump', '--dynamic-syms', file).split('\n');
  const versions = [...new Set(symbols.join('\n').match(/\b(GLIBC|GLIBCXX|CXXABI|GCC)_[0-9.]+/g))];
  const glibc = versions
    .filter((version) => version.startsWith('GLIBC_'))
    .map((version) => version.slice('GLIBC_'.length))
    .sort(compareVersions)
    .at(-1);
  return {
    needed: [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name),
    exported: symbols.filter((line) => / (g|u)[ wD]/.test(line) && !line.includes('*UND*')).map(lastWord),
    undefinedNames: symbols
      .filter((line) => line.includes('*UND*') && !/ w |GLIBC_/.test(line))
      .map(lastWord),
    runtime: versions.filter((version) => !version.startsWith('GLIBC_')),
    glibc,
    newest: symbols.filter((line) => line.includes(`GLIBC_${glibc}`)).map(lastWord),
    runpath: /\(RUNPATH\).*\[(.*)\]/.exec(dynamic)?.[1] ?? '',
    staysLoaded: dynamic.includes('NODELETE'),
  };
}
