// Errors and the checks of plain values. Every message reads `"<argument>" expected <something>, got <value>`.

/** A text that stands in a message as it is. */
export class Verbatim {
  constructor(readonly text: string) {}
}

/** A value as a message shows it: short, whatever it is. */
function show(value: unknown): string {
  if (value instanceof Verbatim) return value.text;
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) {
    const isShort = value.length <= 8 && value.every((entry) => typeof entry === "number");
    return isShort ? `[${value.join(", ")}]` : `an array of length ${value.length}`;
  }
  const name = value.constructor?.name ?? "Object";
  return ArrayBuffer.isView(value) && "length" in value ? `a ${name} of length ${value.length}` : `an object (${name})`;
}

function message(argument: string, expected: string, got: unknown): string {
  return `"${argument}" expected ${expected}, got ${show(got)}`;
}

/** The error for a value of the wrong kind. */
export function typeError(argument: string, expected: string, got: unknown): TypeError {
  return new TypeError(message(argument, expected, got));
}

/** The error for a value of the right kind that is out of range. */
export function rangeError(argument: string, expected: string, got: unknown): RangeError {
  return new RangeError(message(argument, expected, got));
}

/** Checks an options object: undefined, or an object that has known names only. */
export function checkOptions<O extends object>(options: O | undefined, known: readonly (keyof O & string)[]): Partial<O> {
  if (options === undefined) return {};
  if (typeof options !== "object" || options === null || Symbol.iterator in options) throw typeError("options", "a plain object", options);
  for (const name of Object.keys(options)) {
    if (!(known as readonly string[]).includes(name)) {
      throw typeError("options", `only the names ${known.join(", ")}`, name);
    }
  }
  return options;
}

/** Checks a number for which `isGood` must hold. */
export function checkNumber(argument: string, value: unknown, expected: string, isGood: (value: number) => boolean): number {
  if (typeof value !== "number") throw typeError(argument, "a number", value);
  if (!isGood(value)) throw rangeError(argument, expected, value);
  return value;
}

/** Checks an integer from `least` to `most`. */
export function checkInteger(argument: string, value: unknown, least: number, most: number): number {
  if (typeof value !== "number") throw typeError(argument, "a number", value);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const expected = most === Number.MAX_SAFE_INTEGER ? `an integer of at least ${least}` : `an integer from ${least} to ${most}`;
  throw rangeError(argument, expected, value);
}

/** Checks one of some names. */
export function checkOneOf<T extends string>(argument: string, value: unknown, allowed: readonly T[]): T {
  if ((allowed as readonly unknown[]).includes(value)) return value as T;
  const expected = `one of ${allowed.map((name) => JSON.stringify(name)).join(", ")}`;
  throw (typeof value === "string" ? rangeError : typeError)(argument, expected, value);
}

/** Checks an option that is true or false; false by default. */
export function checkBoolean(argument: string, value: unknown = false): boolean {
  if (typeof value !== "boolean") throw typeError(argument, "true or false", value);
  return value;
}
