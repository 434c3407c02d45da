// The one error class of the public surface. Every failure that a user can cause (a wrong shape, a broken
// file, an absent device) is a GanvasError with a stable `code` and a sentence saying what was expected and
// what came; anything else that escapes is a bug. Not a hierarchy: callers switch on `code`.

export type ErrorCode =
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_DEVICE'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_CUDA_UNAVAILABLE'
  | 'ERR_NATIVE_MISSING'
  | 'ERR_PACKAGE_MISSING'
  | 'ERR_DISPOSED'
  | 'ERR_ARGUMENT'
  | 'ERR_NOT_DIFFERENTIABLE'
  | 'ERR_INDEX'
  | 'ERR_CONFIG'
  | 'ERR_DATA'
  | 'ERR_FILE_FORMAT'
  | 'ERR_FILE_IO'
  | 'ERR_CHECKPOINT'
  | 'ERR_CAPTURE'
  | 'ERR_NAN'
  | 'ERR_RUN_EXISTS'
  | 'ERR_INTERNAL';

export class GanvasError extends Error {
  readonly code: ErrorCode;

  /**
   * @param code what kind of failure this is, for programs
   * @param message what was expected and what came, for people
   * @param options `cause`: the error underneath, when there is one
   */
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'GanvasError';
    this.code = code;
  }
}

const fileSystemProblems: Record<string, string> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EISDIR: 'it is a directory, a file was expected',
  ENOTDIR: 'a part of the path is a file, a directory was expected',
  EEXIST: 'it exists already',
  ENOTEMPTY: 'the directory is not empty',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
  EIO: 'the disk reported an input/output error',
};

/**
 * Turns an error of `node:fs` into an ERR_FILE_IO with a plain sentence; a GanvasError passes through
 * unchanged.
 * @param what the action that failed, with the path: `write /data/run/config.json`
 */
export function fileError(what: string, error: unknown): GanvasError {
  if (error instanceof GanvasError) return error;
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException;
  const problem = fileSystemProblems[code] ?? message;
  return new GanvasError('ERR_FILE_IO', `cannot ${what}: ${problem}`, { cause: error });
}
