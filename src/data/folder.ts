// Any folder of images as a data set, through sharp: found recursively, cut to one size (cover, then the
// centre), decoded on sharp's threads. The first level of sub-folders are the classes when every image is in
// one. Headers are checked when the folder is opened; an image whose body proves broken later is skipped then
// (decoded.ts).

import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { fileError, GanvasError } from '../errors.js';
import { loadSharp } from '../io/sharp.js';
import { type Dataset, type DatasetOptions, resolveImageShape, type SkippedImage } from './dataset.js';
import { decodedDataset } from './decoded.js';
import { fitImage } from './fit.js';

const extensions = new Set(['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif']);
const defaultShape = { height: 64, width: 64, channels: 3 };
const headersAtOnce = 16;
const namedInWarning = 5;

/** All image files below `folder`, sorted, each once even when symbolic links lead to it in a circle. */
async function findImages(folder: string): Promise<string[]> {
  const found: string[] = [];
  const visited = new Set<string>();
  async function walk(directory: string): Promise<void> {
    const real = await realpath(directory);
    if (visited.has(real)) return;
    visited.add(real);
    const entries = await readdir(directory, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      const path = join(directory, entry.name);
      // A dangling link is neither a file nor a directory.
      const target = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry;
      if (target?.isDirectory()) await walk(path);
      else if (target?.isFile() && extensions.has(extname(entry.name).toLowerCase())) found.push(path);
    }
  }
  await walk(folder);
  return found;
}

function sharpReason(error: unknown): string {
  return (error as Error).message.split('\n')[0];
}

/** Splits paths into those whose header sharp understands and the others, keeping the order. */
async function checkHeaders(root: string, paths: readonly string[]) {
  const sharp = await loadSharp('reading image files');
  const reasons = new Array<string | undefined>(paths.length);
  let next = 0;
  async function worker(): Promise<void> {
    while (next < paths.length) {
      const index = next++;
      try {
        await sharp(paths[index]).metadata();
      } catch (error) {
        reasons[index] = sharpReason(error);
      }
    }
  }
  await Promise.all(Array.from({ length: headersAtOnce }, worker));
  const readable = paths.filter((_, index) => reasons[index] === undefined);
  const skipped = paths.flatMap((path, index): SkippedImage[] => {
    const reason = reasons[index];
    return reason === undefined ? [] : [{ path: relative(root, path), reason }];
  });
  return { readable, skipped };
}

/** Classes from the first level of sub-folders: all images must be in one, and there must be at least two. */
function classify(root: string, paths: readonly string[]): Pick<Dataset, 'classes' | 'labels'> {
  const folders = paths.map((path) => relative(root, path).split(sep));
  if (folders.some((parts) => parts.length < 2)) return {};
  const names = folders.map(([first]) => first);
  const classes = [...new Set(names)].sort();
  if (classes.length < 2) return {};
  const numbers = new Map(classes.map((name, number) => [name, number]));
  return { classes, labels: Int32Array.from(names, (name) => numbers.get(name)!) };
}

function describeSkipped(folder: string, skipped: readonly SkippedImage[], total: number): string {
  const named = skipped.slice(0, namedInWarning).map(({ path, reason }) => `${path} (${reason})`);
  const more = skipped.length - named.length;
  const rest = more > 0 ? ` and ${more} more` : '';
  return `skipped ${skipped.length} of ${total} images in ${folder} that cannot be read: ${named.join(', ')}${rest}`;
}

/**
 * Opens a folder of JPEG, PNG, WebP, GIF (first frame), TIFF or AVIF images, fitted as fit.ts says:
 * transparent pixels are laid over white unless four channels are asked for.
 * @throws GanvasError ERR_FILE_IO when the folder cannot be read, ERR_DATA when it holds no usable image,
 * ERR_ARGUMENT for an absurd size, ERR_PACKAGE_MISSING without sharp
 */
export async function imageFolder(folder: string, options: DatasetOptions = {}): Promise<Dataset> {
  const { flip, cacheBytes, onWarning } = options;
  const root = resolve(folder);
  const shape = resolveImageShape(options, defaultShape, folder);
  let found: string[];
  try {
    found = await findImages(root);
  } catch (error) {
    throw fileError(`read the folder ${folder}`, error);
  }
  if (found.length === 0) {
    throw new GanvasError('ERR_DATA', `${folder}: no images found (looked for ${[...extensions].join(' ')})`);
  }
  const { readable: paths, skipped } = await checkHeaders(root, found);
  if (paths.length === 0) {
    const [{ path, reason }] = skipped;
    throw new GanvasError(
      'ERR_DATA',
      `${folder}: none of ${found.length} images can be read; ${path}: ${reason}`,
    );
  }
  if (skipped.length > 0) onWarning?.(describeSkipped(folder, skipped, found.length));

  const sharp = await loadSharp('reading image files');
  return decodedDataset({
    name: basename(root) || 'images',
    length: paths.length,
    ...shape,
    ...classify(root, paths),
    decode: (index) => fitImage(sharp(paths[index]), shape),
    describe: (index) => relative(root, paths[index]),
    skipped,
    flip,
    cacheBytes,
    onWarning,
  });
}
