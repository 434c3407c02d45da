// Emoji, offline: the 64 x 64 pictures of the npm packages `emoji-datasource-twitter` and
// `emoji-datasource-google`, which ganvas does not depend on; the user installs the one that is wanted.
// Classes are Unicode's categories of emoji, names the short names that chat programs use. Source:
// https://github.com/iamcal/emoji-data; the pictures are under CC BY 4.0 (Twitter) and Apache 2.0 (Google).

import { join } from 'node:path';
import { GanvasError } from '../errors.js';
import { loadSharp } from '../io/sharp.js';
import { type Dataset, type DatasetOptions, resolveImageShape } from './dataset.js';
import { decodedDataset } from './decoded.js';
import { fitImage } from './fit.js';
import { packageFolder, readJsonFile } from './npm-package.js';

/** Whose pictures: Twitter's Twemoji or Google's Noto. */
export type EmojiSet = 'twitter' | 'google';

const side = 64;

/** One picture that the set has. */
interface Picture {
  /** `santa`; a variant in another skin tone is `santa::skin-tone-2`. */
  name: string;
  category: string;
  /** File name. */
  image: string;
}

/** What is read of an entry of emoji.json; `has_img_twitter` and the like say which sets drew it. */
interface Entry {
  unified: string;
  image: string;
  short_name: string;
  category: string;
  skin_variations?: Record<string, Pick<Entry, 'image'>>;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isEntry(value: unknown): value is Entry {
  if (!isObject(value)) return false;
  const { skin_variations: variations = {} } = value;
  return (
    (['unified', 'image', 'short_name', 'category'] as const).every(
      (key) => typeof value[key] === 'string',
    ) &&
    isObject(variations) &&
    Object.values(variations).every((variation) => isObject(variation) && typeof variation.image === 'string')
  );
}

/** The pictures of `set` that emoji.json lists, each emoji followed by its skin tones. */
function listPictures(json: unknown, set: EmojiSet, path: string): Picture[] {
  const problem = !Array.isArray(json)
    ? `got ${json === null ? 'null' : typeof json}`
    : json.flatMap((entry, i) => (isEntry(entry) ? [] : [`entry ${i} is not one`]))[0];
  if (problem !== undefined) {
    throw new GanvasError(
      'ERR_FILE_FORMAT',
      `${path}: expected an array of emoji with unified, image, short_name and category, ${problem}`,
    );
  }
  const entries = json as Entry[];
  const names = new Map(entries.map(({ unified, short_name }) => [unified, short_name]));
  const drawn = (picture: object) => (picture as Record<string, unknown>)[`has_img_${set}`] === true;
  return entries.flatMap((entry) => {
    const { short_name: name, category, image, skin_variations: variations = {} } = entry;
    // A variation is keyed by the code point of its skin tone, an emoji of its own; two people have two.
    const tones = Object.entries(variations).filter(([, variation]) => drawn(variation));
    return [
      ...(drawn(entry) ? [{ name, category, image }] : []),
      ...tones.map(([key, variation]) => ({
        name: [name, ...key.split('-').map((tone) => names.get(tone) ?? tone)].join('::'),
        category,
        image: variation.image,
      })),
    ];
  });
}

/**
 * The emoji of one set, 3,786 in version 16 of the packages: 1,911, and 1,875 variants of some of them in
 * other skin tones. All are kept, also those that look alike: 3,752 of Twitter's and 3,767 of Google's are
 * distinct. 64 x 64 x 3 over white unless asked otherwise; four channels keep the transparency. The ten
 * categories are the classes; more than half of the pictures are of `People & Body`.
 * @param folder of the package; default: where Node finds it from the working directory, or from ganvas
 * @throws GanvasError ERR_DATA, saying how to install it, when the package is absent; ERR_FILE_IO or
 * ERR_FILE_FORMAT when it is damaged; ERR_ARGUMENT for an absurd size; ERR_PACKAGE_MISSING without sharp
 */
export async function emoji(
  set: EmojiSet,
  options: DatasetOptions = {},
  folder = packageFolder(`emoji-datasource-${set}`),
): Promise<Dataset> {
  const dataset = set === 'twitter' ? 'emoji' : `emoji-${set}`;
  const shape = resolveImageShape(options, { height: side, width: side, channels: 3 }, dataset);
  if (folder === undefined) {
    throw new GanvasError(
      'ERR_DATA',
      `${dataset}: the npm package that holds the pictures is not installed: ` +
        `run \`npm install emoji-datasource-${set}\``,
    );
  }
  const listPath = join(folder, 'emoji.json');
  const pictures = listPictures(await readJsonFile(listPath), set, listPath);
  if (pictures.length === 0) {
    throw new GanvasError('ERR_DATA', `${listPath}: expected pictures of the set ${set}, got none`);
  }
  const classes = [...new Set(pictures.map(({ category }) => category))].sort();
  const sharp = await loadSharp(`reading the pictures of ${dataset}`);
  const path = (index: number) => join('img', set, String(side), pictures[index].image);
  const { flip, cacheBytes, onWarning } = options;
  return decodedDataset({
    name: dataset,
    length: pictures.length,
    ...shape,
    classes,
    labels: Int32Array.from(pictures, ({ category }) => classes.indexOf(category)),
    names: pictures.map(({ name }) => name),
    decode: (index) => fitImage(sharp(join(folder, path(index))), shape),
    describe: path,
    flip,
    cacheBytes,
    onWarning,
  });
}
