// Options of a command line that are numbers.

/** A number from the command line. @throws RangeError if it is not as expected. */
export function numberOption(name: string, text: string, isRight: (value: number) => boolean, expected: string): number {
  const value = Number(text);
  if (text.trim() !== "" && isRight(value)) return value;
  throw new RangeError(`--${name} expected ${expected}, got ${JSON.stringify(text)}`);
}
