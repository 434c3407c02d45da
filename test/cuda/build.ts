// Builds the programs of native/cuda/deviceless, which need nvcc, cuBLASLt and cuDNN but no GPU. Where they cannot be
// built their tests are skipped with the reason, or fail with GANVAS_REQUIRE_CUDA_BUILD=1.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../install/packed.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Built {
  program: string;
  /** Where the stand-in for the driver is. */
  driver: string;
  /** Why it could not be built. */
  failure?: string;
  skip: boolean;
  /** What to call its tests. */
  title: string;
}

/** Each test file has a folder of its own, because they run at the same time. */
export async function built(title: string, target: string): Promise<Built> {
  const folder = join(root, 'build/deviceless', target);
  const steps = [
    ['nvcc', '--version'],
    ['cmake', '-S', join(root, 'native/cuda'), '-B', folder, '-DGANVAS_CUDA_DEVICELESS=ON'],
    ['cmake', '--build', folder, '--target', target],
  ];
  const result = { program: join(folder, target), driver: join(folder, 'stub-driver') };
  for (const [command, ...args] of steps) {
    const { code, err, out } = await run(command, args, root);
    if (code === 0) continue;
    const said = (err || out || 'it is not there').trim().split('\n').slice(0, 4).join(' ');
    const failure = `${command}: ${said}`;
    const skip = process.env.GANVAS_REQUIRE_CUDA_BUILD !== '1';
    return { ...result, failure, skip, title: `${title} (not built: ${failure})` };
  }
  return { ...result, skip: false, title };
}
