// Writes that happen entirely or not at all, also when the process is killed or the power fails: write aside,
// fsync, rename, fsync the parent directory. A leftover of an interrupted write has a name that begins with
// `.tmp-` and is removed by `sweepTemporary`. Not a lock: two processes that write one path
// both succeed, the last wins.

import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError, GanvasError } from '../errors.js';

const temporaryPrefix = '.tmp-';

/** Makes a rename or a new entry in `directory` survive a power failure, where the system allows it. */
export async function syncDirectory(directory: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(directory, 'r');
    await handle.sync();
  } catch (error) {
    // Windows and some network file systems cannot sync a directory; the write itself stands.
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP'].includes(code)) throw error;
  } finally {
    await handle?.close();
  }
}

/** Chunks that together make one file; a single buffer or string is one chunk. */
export type FileContent = string | Uint8Array | Iterable<Uint8Array>;

/** Writes a new file and waits until its bytes are on the disk. */
async function writeFileSynced(path: string, content: FileContent): Promise<void> {
  const chunks =
    typeof content === 'string'
      ? [Buffer.from(content)]
      : content instanceof Uint8Array
        ? [content]
        : content;
  const handle = await open(path, 'w');
  try {
    for (const chunk of chunks) {
      for (let offset = 0; offset < chunk.byteLength; ) {
        const { bytesWritten } = await handle.write(chunk, offset, chunk.byteLength - offset);
        offset += bytesWritten;
      }
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

let counter = 0;

/**
 * Replaces `path` by `content`; readers see the old file or the new one, never a mixture. Parent directories
 * must exist.
 * @throws GanvasError ERR_FILE_IO (full disk, read-only directory, ...); the old file is then untouched
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const aside = join(dirname(path), `${temporaryPrefix}${process.pid}-${counter++}-${basename(path)}`);
  try {
    await writeFileSynced(aside, content);
    await rename(aside, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(aside, { force: true }).catch(() => {});
    throw fileError(`write ${path}`, error);
  }
}

const replacedPrefix = `${temporaryPrefix}old-`;

/**
 * A kill between the two renames of a replacement leaves the old directory under its aside name: put it back.
 */
async function restoreReplaced(path: string): Promise<void> {
  const replaced = join(dirname(path), replacedPrefix + basename(path));
  // Fails when there is nothing to restore (ENOENT) or the replacement did succeed (ENOTEMPTY): both are
  // fine.
  await rename(replaced, path).catch(() => {});
}

/**
 * Creates a directory of files as one step: `parent/.tmp-name/...` is written and synced, then renamed to
 * `parent/name`. An existing directory of that name is replaced; it is moved aside first, so that a kill
 * leaves one of the two.
 * @param files content by file name; names are plain, without separators
 * @throws GanvasError ERR_FILE_IO; a directory that existed before is then still there
 */
export async function writeDirectoryAtomic(
  path: string,
  files: Readonly<Record<string, FileContent>>,
): Promise<void> {
  const parent = dirname(path);
  const aside = join(parent, temporaryPrefix + basename(path));
  const replaced = join(parent, replacedPrefix + basename(path));
  try {
    await mkdir(parent, { recursive: true });
    await restoreReplaced(path);
    await rm(aside, { recursive: true, force: true });
    await mkdir(aside);
    for (const [file, content] of Object.entries(files)) {
      if (file !== basename(file) || file === '' || file === '..' || file === '.') {
        throw new GanvasError('ERR_ARGUMENT', `expected a plain file name inside ${path}, got "${file}"`);
      }
      await writeFileSynced(join(aside, file), content);
    }
    await syncDirectory(aside);
    await rm(replaced, { recursive: true, force: true });
    await rename(path, replaced).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(aside, path);
    await syncDirectory(parent);
    await rm(replaced, { recursive: true, force: true });
  } catch (error) {
    await restoreReplaced(path);
    await rm(aside, { recursive: true, force: true }).catch(() => {});
    throw fileError(`write ${path}`, error);
  }
}

/** Undoes what interrupted atomic writes left in `directory`. Never fails: leftovers are harmless. */
export async function sweepTemporary(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => [] as string[]);
  for (const name of names.filter((entry) => entry.startsWith(temporaryPrefix))) {
    if (name.startsWith(replacedPrefix))
      await restoreReplaced(join(directory, name.slice(replacedPrefix.length)));
    await rm(join(directory, name), { recursive: true, force: true }).catch(() => {});
  }
}
