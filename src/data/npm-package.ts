// Data that comes as an npm package which ganvas does not depend on: where it is installed, and reading its
// JSON.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fileError, GanvasError } from '../errors.js';

/** The folder of the package `name`, seen from the user's project or from ganvas itself, if installed. */
export function packageFolder(name: string): string | undefined {
  for (const from of [pathToFileURL(join(process.cwd(), 'index.js')), import.meta.url]) {
    try {
      return dirname(createRequire(from).resolve(`${name}/package.json`));
    } catch {
      // Not seen from here: look from the next place.
    }
  }
  return undefined;
}

/** Throws ERR_FILE_IO when the file cannot be read and ERR_FILE_FORMAT when it is not JSON. */
export async function readJsonFile(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new GanvasError('ERR_FILE_FORMAT', `${path} is not valid JSON: ${error.message}`, {
        cause: error,
      });
    }
    throw fileError(`read ${path}`, error);
  }
}
