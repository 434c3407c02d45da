// npm's install script. Where the prebuilt addon loads there is nothing to do, and nothing is ever downloaded. Where it
// does not, this builds one if the machine can, and otherwise says what is missing and lets the installation succeed:
// ganvas explains itself again when it is first used. Nothing depends on it having run (--ignore-scripts).
//   node scripts/install.cjs --build    builds in any case, and fails if it cannot

const { spawnSync } = require('node:child_process');
const { existsSync, rmSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { availableParallelism } = require('node:os');

const root = dirname(__dirname);
const forced = process.argv.includes('--build');

const say = (text) => console.error(`ganvas: ${text.replaceAll('\n', '\n  ')}`);
const works = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Builds build/Release/ganvas.node; returns what went wrong, if anything did. */
function build() {
  const compiler = process.env.CXX ?? 'c++';
  const absent = ['cmake', compiler].filter((tool) => !works(tool, '--version'));
  if (absent.length > 0) return `${absent.join(' and ')} not found`;
  const tree = join(root, 'build', 'compile');
  const configure = [
    ...['-S', root, '-B', tree, '-DCMAKE_BUILD_TYPE=Release'],
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(root, 'build', 'Release')}`,
    ...(works('ninja', '--version') ? ['-G', 'Ninja'] : []),
  ];
  say('building the native addon; this takes some minutes');
  for (const args of [configure, ['--build', tree, '--parallel', String(availableParallelism())]]) {
    const { status, stdout, stderr } = spawnSync('cmake', args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
    if (status !== 0) {
      const output = `${stdout}${stderr}`.trim().split('\n').slice(-12).join('\n');
      return `cmake ${args[0] === '--build' ? 'could not build it' : 'could not configure it'}:\n${output}`;
    }
  }
  rmSync(tree, { recursive: true, force: true });
  return undefined;
}

async function install() {
  // A checkout: scripts/setup.sh builds there.
  if (!forced && existsSync(join(root, 'src'))) return;
  const { loadAddon } = await import('../dist/load-addon.js');
  let reason = '';
  if (!forced) {
    try {
      loadAddon();
      return;
    } catch (error) {
      reason = error.message;
    }
  }
  const problem = build();
  if (problem === undefined) {
    say(`built ${loadAddon().path}`);
    return;
  }
  if (reason) say(reason);
  say(`it was not built here either: ${problem}`);
  if (forced) process.exitCode = 1;
  else say('installed without it; using ganvas will fail with this explanation');
}

install();
