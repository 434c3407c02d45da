// sharp, loaded on first use: it is an optional dependency (a native package as large as ganvas itself), which an
// offline or minimal install goes without. Only what reads or resizes pictures and writes GIFs needs it; training on
// the bundled digits and writing PNGs do not.

import type Sharp from 'sharp';
import { GanvasError } from '../errors.js';

/**
 * The sharp module.
 * @param purpose what it is needed for, as the start of a sentence: `reading image files`
 * @throws GanvasError ERR_PACKAGE_MISSING with the reason and the remedies when it is absent or does not load
 */
export async function loadSharp(purpose: string): Promise<typeof Sharp> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ERR_MODULE_NOT_FOUND'
        ? 'is not installed'
        : `cannot be loaded: ${message.trim().replaceAll('\n', '\n  ')}`;
    throw new GanvasError(
      'ERR_PACKAGE_MISSING',
      `${purpose} needs the npm package sharp, which ${reason}\n` +
        'Remedies:\n' +
        '  1. with a network, run: npm install sharp\n' +
        '  2. without one, carry over node_modules/sharp and node_modules/@img from a machine of the same platform\n' +
        '  3. for digits and other small grey images, give a folder of IDX files (--data FOLDER) and keep their size',
      { cause: error },
    );
  }
}
