// Finding and opening the CUDA plugin: each way in which it can fail, with stand-ins for the driver, the vendor's libraries
// and the plugin (stubs.ts), as device('cuda'), device('auto') and `ganvas doctor` tell it. Computes nothing on a device.

import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nativeStatus } from '../../src/native.js';
import {
  driver,
  emulatedPlugin,
  folder,
  library,
  look,
  plugin,
  realPlugin,
  vendorFolders,
  withoutCompiler,
  withPackage,
} from './stubs.js';

const timeout = { timeout: 120_000 };
const reason = withoutCompiler();
afterAll(() => rm(folder, { recursive: true }));

/** A process must be on the CPU, and say why in these words, everywhere. */
async function expectOff(variables: Record<string, string>, why: string | RegExp) {
  const seen = await look(variables);
  const { auto, error, three, rows, stderr } = seen;
  const words = typeof why === 'string' ? expect.stringContaining(why) : expect.stringMatching(why);
  expect(auto).toEqual(['cpu', 'cpu']);
  expect(three).toBe(3);
  expect(stderr).toEqual(words);
  expect(stderr).toMatch(/^ganvas: using the CPU, CUDA is off: [^\n]+\n$/);
  expect(error).toEqual({ code: 'ERR_CUDA_UNAVAILABLE', message: words });
  expect(error.message).toMatch(/^device 'cuda' is not available: [^\n]+\. Tried:\n/);
  expect(rows.devices).toBe('cpu');
  expect(rows.cuda).toEqual(words);
  expect(rows.cuda).toMatch(/^off: /);
  expect(error.message).toContain(rows['cuda tried']);
  return seen;
}

const ofCuda = (name: string) => /cuda|cublas|cudnn|nvrtc|nccl/i.test(name);

if (reason) {
  test.skip(`the loader with stand-ins: ${reason}`, () => {});
} else {
  describe('the driver', () => {
    const variables = (macros: Record<string, string | number>) => ({
      LD_LIBRARY_PATH: dirname(driver(macros)),
      GANVAS_CUDA_PLUGIN: plugin(),
    });

    test('none: no library of the vendor is mapped, and no plugin', timeout, async () => {
      const { rows } = await look({ GANVAS_CUDA_PLUGIN: join(folder, 'none.so') });
      // Where there is a real driver, one that cannot be loaded stands for none.
      const broken = join(folder, 'broken');
      await mkdir(broken);
      await writeFile(join(broken, 'libcuda.so.1'), 'not a library');
      const hidden: Record<string, string> = rows.cuda.startsWith('off: no driver')
        ? {}
        : { LD_LIBRARY_PATH: broken };
      const { libraries } = await expectOff({ ...hidden, GANVAS_CUDA_PLUGIN: plugin() }, 'no driver: ');
      expect(libraries.filter(ofCuda)).toEqual([]);
    });

    test.each<[string, Record<string, string | number>, string | RegExp]>([
      ['has no device', { INIT: 100 }, 'no device: the NVIDIA driver reports none'],
      ['counts no device', { DEVICES: 0 }, 'no device: the NVIDIA driver reports none'],
      ['is a stub for linking', { INIT: 34 }, 'no driver: a stub of libcuda.so.1'],
      ['has parts of different versions', { INIT: 803 }, /driver too old: .*error 803/],
      ['does not start', { INIT: 999 }, 'driver: it could not be started, cuInit gave error 999'],
      ["is not NVIDIA's", { FOREIGN: 1 }, "no driver: the libcuda.so.1 that was found is not NVIDIA's"],
    ])('%s: the plugin is not loaded', timeout, async (_, macros, why) => {
      const { libraries, error } = await expectOff(variables(macros), why);
      expect(libraries.filter(ofCuda)).toEqual(['libcuda.so.1']);
      expect(error.message).toContain('libganvas_cuda.so (GANVAS_CUDA_PLUGIN): not tried');
    });

    const none = realPlugin === undefined;
    test.skipIf(none)(
      `is too old for the plugin${none ? ': skipped, the real plugin has not been built' : ''}`,
      timeout,
      async () => {
        const old = {
          LD_LIBRARY_PATH: dirname(driver({ VERSION: 11040 })),
          GANVAS_CUDA_LIBRARY_PATH: vendorFolders,
          GANVAS_CUDA_PLUGIN: realPlugin!,
        };
        await expectOff(old, /driver too old: it supports CUDA 11\.4, this plugin needs CUDA \d+\.\d/);
      },
    );
  });

  describe('the plugin', () => {
    let works = '';
    beforeAll(() => {
      works = dirname(driver());
    });
    const off = (path: string, why: string | RegExp, more: Record<string, string> = {}) =>
      expectOff({ LD_LIBRARY_PATH: works, GANVAS_CUDA_PLUGIN: path, ...more }, why);

    test('is not there', timeout, () => off(join(folder, 'none.so'), 'file missing'));

    test('was not named: every place is listed', timeout, async () => {
      const { error } = await look({ LD_LIBRARY_PATH: works });
      for (const place of ['(built here)', '(beside the addon)', '@ganvas/cuda-']) {
        expect(error.message).toContain(place);
      }
    });

    test('is found in the optional package', timeout, async () => {
      const { base, home } = await withPackage(plugin({ PROBE: '"that of the package"' }));
      const addon = nativeStatus().path!;
      const { error } = await look({ LD_LIBRARY_PATH: works, GANVAS_ADDON: addon }, base);
      expect(error.message).toContain(`${home}/libganvas_cuda.so (@ganvas/cuda-`);
      expect(error.message).toContain("device 'cuda' is not available: that of the package.");
    });

    test('is not a library', timeout, async () => {
      const text = join(folder, 'text.so');
      await writeFile(text, 'This is text. '.repeat(100));
      await off(text, /dlopen: .*text\.so: invalid ELF header/);
    });

    test.each<[string, Record<string, string | number>, string | RegExp]>([
      [
        'has no entry point',
        { NO_ENTRY: 1 },
        'the file is no plugin of ganvas: it has no ganvas_plugin_entry',
      ],
      ['gives no table', { NO_TABLE: 1 }, 'ABI 0 != 1'],
      ['has another ABI', { ABI: 3 }, 'ABI 3 != 1: the plugin and ganvas are of different versions'],
      ['has a table of another size', { SIZE: 16 }, /ABI 1, but with a table of 16 bytes, not \d+/],
      ['has another op', { OPS: 1 }, 'ABI: op 1 is arange here and other in the plugin'],
      ['lacks an op', { OPS: 2 }, /ABI: op \d+ is \w+ here and none in the plugin/],
      ['has one op more', { OPS: 3 }, /ABI: op \d+ is none here and oneMore in the plugin/],
      ['finds no device it can use', { PROBE: '"no device: too small"' }, 'no device: too small'],
      ['cannot open the device', { OPEN: '"cuDNN did not start"' }, 'cuDNN did not start'],
    ])('%s', timeout, async (_, macros, why) => {
      await off(plugin(macros), why);
    });

    test.each([
      ['cuDNN', 'libcudnn.so.9'],
      ['cuBLAS', 'libcublasLt.so.13'],
    ])(
      'needs %s, which is not there, or only where GANVAS_CUDA_LIBRARY_PATH says',
      timeout,
      async (name, file) => {
        const vendor = library(file, 'stub-vendor.c');
        const needy = plugin({ NEEDS_VENDOR: 1, PROBE: '"its libraries are there"' }, [
          '-Wl,--no-as-needed',
          vendor,
        ]);
        await off(needy, `${name} missing: ${file}: cannot open shared object file`);
        const places = { GANVAS_CUDA_LIBRARY_PATH: `${folder}/none:${dirname(vendor)}` };
        const { libraries } = await off(needy, 'its libraries are there', places);
        expect(libraries).toContain(file);
      },
    );

    test('the number of the device is none, or one that is not there', timeout, async () => {
      await off(plugin(), 'GANVAS_CUDA_DEVICE must be the number of a device, from 0; got "first"', {
        GANVAS_CUDA_DEVICE: 'first',
      });
    });

    test('what was said may be silenced', timeout, async () => {
      const { stderr, auto } = await look({
        GANVAS_CUDA_PLUGIN: join(folder, 'none.so'),
        GANVAS_SILENT: '1',
      });
      expect({ stderr, auto }).toEqual({ stderr: '', auto: ['cpu', 'cpu'] });
    });
  });

  const there = existsSync(emulatedPlugin) || process.env.GANVAS_REQUIRE_EMULATED === '1';
  describe.skipIf(!there)(`the emulated device${there ? '' : ': skipped, build/emulated is missing'}`, () => {
    const emulated = { GANVAS_CUDA_PLUGIN: emulatedPlugin, GANVAS_CUDA_SKIP_DRIVER: '1' };

    test('opens, computes, and is described', timeout, async () => {
      const { auto, three, error, rows, stderr, libraries } = await look(emulated);
      expect({ auto, three, error, stderr }).toEqual({
        auto: ['cuda', 'cuda'],
        three: 3,
        error: {},
        stderr: '',
      });
      expect(rows.devices).toBe('cpu, cuda');
      expect(rows.cuda).toMatch(/^emulated on the host, .* 1 of 1$/);
      expect(rows['cuda plugin']).toBe(`${emulatedPlugin} (emulated)`);
      expect(libraries.filter(ofCuda)).toEqual(['libganvas_cuda.so']);
    });

    test('has no second one', timeout, () =>
      expectOff({ ...emulated, GANVAS_CUDA_DEVICE: '1' }, 'no device: number 1 was asked for, there are 1'),
    );

    test('is not opened without a driver unless it is told to', timeout, () =>
      expectOff(
        { LD_LIBRARY_PATH: dirname(driver({ INIT: 100 })), GANVAS_CUDA_PLUGIN: emulatedPlugin },
        'no device: the NVIDIA driver reports none',
      ),
    );
  });
}
