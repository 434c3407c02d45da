// One image file as pixels of a wanted size, fitted as those of a folder are (fit.ts).

import { stat } from 'node:fs/promises';
import { fileError, GanvasError } from '../errors.js';
import { loadSharp } from '../io/sharp.js';
import { fitImage } from './fit.js';

/**
 * The picture as u8 [height, width, channels].
 * @throws GanvasError ERR_FILE_IO when there is no such file, ERR_DATA when it is no picture,
 *   ERR_PACKAGE_MISSING without sharp
 */
export async function readPicture(
  path: string,
  shape: { height: number; width: number; channels: 1 | 3 | 4 },
): Promise<Uint8Array> {
  try {
    if (!(await stat(path)).isFile()) {
      throw new GanvasError('ERR_FILE_IO', `cannot read ${path}: a picture was expected, not a directory`);
    }
  } catch (error) {
    throw fileError(`read ${path}`, error);
  }
  const sharp = await loadSharp('reading an image file');
  try {
    return await fitImage(sharp(path), shape);
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw new GanvasError('ERR_DATA', `${path} cannot be read as a picture: ${reason}`, { cause: error });
  }
}
