// Fashion-MNIST: 60,000 grey 28 x 28 pictures of clothes in ten classes, from Debian's package
// dataset-fashion-mnist. A folder with the same files elsewhere is opened by `openDataset(folder)`. Xiao et
// al. 2017, https://arxiv.org/abs/1708.07747

import { readdir } from 'node:fs/promises';
import { GanvasError } from '../errors.js';
import type { Dataset, DatasetOptions } from './dataset.js';
import { digitsDataset } from './digits.js';
import { isIdxFolder, readIdxFolder } from './idx.js';

const debianFolder = '/usr/share/datasets/fashion-mnist';

const classes = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
] as const;

/**
 * @param folder where the IDX files are; default: where Debian puts them
 * @throws GanvasError ERR_DATA, saying how to install them, when they are absent; ERR_FILE_FORMAT when they
 * are damaged
 */
export async function fashionMnist(options: DatasetOptions = {}, folder = debianFolder): Promise<Dataset> {
  const names = await readdir(folder).catch(() => [] as string[]);
  if (!isIdxFolder(names)) {
    throw new GanvasError(
      'ERR_DATA',
      `Fashion-MNIST is not in ${folder}: run \`apt-get install dataset-fashion-mnist\`, ` +
        'or give a folder with its four IDX files (--data FOLDER)',
    );
  }
  return digitsDataset(await readIdxFolder(folder), { name: 'fashion-mnist', classes }, options);
}
