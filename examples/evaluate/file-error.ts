// Errors in files, as one line for the user.

/** An error in a file: its path, what is wrong, and the offset of the byte where it is. */
export class FileError extends Error {
  /**
   * @param offset The byte of the file, if the error has a place.
   * @param isLasting True if the error is one of what the file holds, which another attempt or machine would find too.
   */
  constructor(
    path: string,
    problem: string,
    offset?: number,
    readonly isLasting = false,
  ) {
    super(`${path}: ${problem}${offset === undefined ? "" : ` (at byte ${offset})`}`);
    this.name = "FileError";
  }
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "no permission to read it",
  EISDIR: "a directory, not a file",
  EMFILE: "too many open files",
  EIO: "the device could not read it",
};

/** What the system said of a file, as a {@link FileError}. */
export function fileErrorOf(path: string, error: unknown): FileError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new FileError(path, PROBLEMS[code ?? ""] ?? message);
}
