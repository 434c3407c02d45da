// Config files: JSON objects that hold only differences when read, and everything when written. What a run
// writes is accepted again by the reader. Validation of keys and values is the schema's business, not this
// file's.

import { readFile, stat } from 'node:fs/promises';
import { fileError, GanvasError } from '../errors.js';
import { writeFileAtomic } from '../io/atomic.js';

const maxBytes = 1 << 20;

/**
 * Reads a JSON object from a file.
 * @throws GanvasError ERR_FILE_IO when it cannot be read, ERR_CONFIG when it is not a JSON object
 */
export async function readConfigFile(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > maxBytes) {
      throw new GanvasError(
        'ERR_CONFIG',
        `${path}: a config file has at most ${maxBytes} bytes, this one has ${size}`,
      );
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(`read the config ${path}`, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new GanvasError('ERR_CONFIG', `${path} is not valid JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GanvasError(
      'ERR_CONFIG',
      `${path}: expected a JSON object of options, got ${text.slice(0, 40).trim()}`,
    );
  }
  return value as Record<string, unknown>;
}

/** Writes a resolved config as indented JSON, atomically. */
export async function writeConfigFile(
  path: string,
  config: Readonly<Record<string, unknown>>,
): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(config, null, 2)}\n`);
}
