// Errors and the checks of plain values. Every message reads `"<argument>" expected <something>, got <value>`, perhaps with a hint.

import { typedArrayLength, typedArrayName } from "./tensor/typed-array.js";

/** Says if a value is a Proxy that has been revoked: whatever touches it throws. */
export function isRevoked(value: unknown): boolean {
  try {
    Array.isArray(value);
    return false;
  } catch {
    return true;
  }
}

/** Array.isArray, for any value. */
export function isArray(value: unknown): value is unknown[] {
  return !isRevoked(value) && Array.isArray(value);
}

/** A text that stands in a message as it is. */
export class Verbatim {
  constructor(readonly text: string) {}
}

const withArticle = (name: string): string => `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;

/** "1 number", "3 numbers". */
export function counted(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`;
}

function showObject(value: object): string {
  if (Array.isArray(value)) {
    const isShort = value.length <= 8 && value.every((entry) => typeof entry === "number");
    return isShort ? `[${value.join(", ")}]` : `an array of length ${value.length}`;
  }
  const type = typedArrayName(value);
  if (type !== undefined) return `${withArticle(type)} of length ${typedArrayLength(value)}`;
  const name = value.constructor?.name;
  if (typeof name !== "string") return "an object";
  return /Array$/.test(name) ? `an object in the place of ${withArticle(name)}, perhaps a Proxy` : `an object (${name})`;
}

/** A value as a message shows it: short, whatever it is. */
function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return value instanceof Verbatim ? value.text : showObject(value);
  } catch {
    return "an object";
  }
}

function message(argument: string, expected: string, got: unknown, hint: string | undefined): string {
  return `"${argument}" expected ${expected}, got ${show(got)}${hint ? `; ${hint}` : ""}`;
}

/** The error for a value of the wrong kind. */
export function typeError(argument: string, expected: string, got: unknown, hint?: string): TypeError {
  return new TypeError(message(argument, expected, got, hint));
}

/** The error for a value of the right kind that is out of range. */
export function rangeError(argument: string, expected: string, got: unknown, hint?: string): RangeError {
  return new RangeError(message(argument, expected, got, hint));
}

/** An object without inherited properties, so that nobody can add options to it by way of Object.prototype. */
const Bare = /* @__PURE__ */ (() => {
  function BareObject() {}
  BareObject.prototype = Object.create(null);
  return BareObject as unknown as new () => object;
})();

/** Names that other libraries have for options. */
const OTHER_NAMES: Readonly<Record<string, string>> = { temperature: "scale", dim: "axis", weight: "weights" };

/** A hint at the option that a user may have meant by an unknown name. */
function meantBy(name: string, known: readonly string[]): string | undefined {
  const plain = (other: string): string => other.replaceAll(/[_-]/g, "").toLowerCase();
  const other = Object.hasOwn(OTHER_NAMES, name) ? OTHER_NAMES[name] : undefined;
  const meant = known.find((option) => option === other || plain(option) === plain(name));
  return meant && `here it is ${meant}${name === "temperature" ? ", the inverse" : ""}`;
}

/** Checks an options object: undefined, or an object that has known names only. Gives a copy, so that each option is read once. */
export function checkOptions<O extends object>(options: O | undefined, known: readonly (keyof O & string)[]): Partial<O> {
  const copy = new Bare() as Partial<O>;
  if (options === undefined) return copy;
  if (typeof options !== "object" || options === null || isRevoked(options) || Symbol.iterator in options) {
    throw typeError("options", "a plain object", options);
  }
  for (const name of Object.keys(options) as (keyof O & string)[]) {
    if (!known.includes(name)) throw typeError("options", `only the names ${known.join(", ")}`, name, meantBy(name, known));
    copy[name] = options[name];
  }
  return copy;
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

/** Checks an option that is true or false; `byDefault` if it is left out. */
export function checkBoolean(argument: string, value: unknown, byDefault = false): boolean {
  if (value === undefined) return byDefault;
  if (typeof value !== "boolean") throw typeError(argument, "true or false", value);
  return value;
}
