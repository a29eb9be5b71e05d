// The row of logits that See shows, with its options: as options of the library, as code, and in a link.

/** Fields have this many classes, and absolute values up to so much. */
export const FEWEST = 2;
export const MOST = 10;
export const LARGEST = 1000;

export interface Row {
  readonly logits: readonly number[];
  readonly label: number;
  readonly temperature: number;
  readonly labelSmoothing: number;
  /** 0 for none. */
  readonly softcap: number;
  /** The weight of each class. */
  readonly weights: readonly number[];
  /** The classes that take part. */
  readonly mask: readonly boolean[];
  readonly isFloat32: boolean;
}

/** A row with options that are not given by default. */
export function rowOf(given: Partial<Row> & Pick<Row, "logits">): Row {
  const { logits } = given;
  return {
    label: 0,
    temperature: 1,
    labelSmoothing: 0,
    softcap: 0,
    weights: logits.map(() => 1),
    mask: logits.map(() => true),
    isFloat32: false,
    ...given,
  };
}

export const isSame = (a: Row, b: Row) => linkOf(a) === linkOf(b);

/** The options of softmax for a row, those alone that differ from their defaults. */
export function softmaxOptions({ temperature, softcap, mask }: Row) {
  return {
    ...(temperature !== 1 && { scale: 1 / temperature }),
    ...(softcap && { softcap }),
    ...(mask.includes(false) && { mask: mask.map(Number) }),
  };
}

/** The options of the loss of a row. The mean over one row would divide by the weight of its label. */
export function lossOptions(row: Row) {
  const { labelSmoothing, weights } = row;
  return {
    ...softmaxOptions(row),
    ...(labelSmoothing && { labelSmoothing }),
    ...(weights.some((weight) => weight !== 1) && { weights: [...weights], reduction: "sum" as const }),
  };
}

/** The code that computes what See shows. */
export function codeOf(row: Row): string {
  const literal = (value: unknown) =>
    JSON.stringify(value)
      .replaceAll(/"(\w+)":/g, "$1: ")
      .replaceAll(",", ", ")
      .replaceAll(/^\{|\}$/g, (brace) => (brace === "{" ? "{ " : " }"));
  const argument = (options: object) => (Object.keys(options).length ? `, ${literal(options)}` : "");
  const numbers = row.logits.join(", ");
  return `import { crossEntropyWithGradient, softmax, softmaxJacobian } from "softmax-wasm";

const logits = ${row.isFloat32 ? `Float32Array.of(${numbers})` : `[${numbers}]`};
const p = softmax(logits${argument(softmaxOptions(row))});
const { loss, gradient } = crossEntropyWithGradient(logits, ${row.label}${argument(lossOptions(row))});
const jacobian = softmaxJacobian(p);`;
}

/** The query of a link that restores a row. */
export function linkOf({ logits, label, temperature, labelSmoothing, softcap, weights, mask, isFloat32 }: Row): string {
  const parts = {
    logits: logits.join(),
    label: String(label + 1),
    temperature: temperature === 1 ? "" : String(temperature),
    smoothing: labelSmoothing ? String(labelSmoothing) : "",
    softcap: softcap ? String(softcap) : "",
    weights: weights.some((weight) => weight !== 1) ? weights.join() : "",
    mask: mask.includes(false) ? mask.map(Number).join() : "",
    dtype: isFloat32 ? "float32" : "",
  };
  return `?${Object.entries(parts)
    .flatMap(([name, value]) => (value ? `${name}=${value}` : []))
    .join("&")}`;
}

/** The row of a link; undefined if its query has no such row. */
export function rowOfLink(query: string): Row | undefined {
  const parameters = new URLSearchParams(query);
  const numbers = (name: string) => parameters.get(name)?.split(",").map(Number);
  const number = (name: string, least: number, most: number) => {
    const [value] = numbers(name) ?? [];
    return value !== undefined && value >= least && value <= most ? value : undefined;
  };
  const logits = numbers("logits");
  if (!logits || logits.length < FEWEST || logits.length > MOST || !logits.every((logit) => Math.abs(logit) <= LARGEST)) return undefined;
  const ofClasses = (name: string) => {
    const values = numbers(name);
    return values?.length === logits.length && values.every((value) => value >= 0 && value <= LARGEST) ? values : undefined;
  };
  const mask = ofClasses("mask")?.map(Boolean);
  const row = rowOf({ logits });
  const label = (number("label", 1, logits.length) ?? 1) - 1;
  return {
    ...row,
    label: Number.isInteger(label) ? label : 0,
    temperature: number("temperature", 0.01, 100) ?? row.temperature,
    labelSmoothing: number("smoothing", 0, 1) ?? row.labelSmoothing,
    softcap: number("softcap", 0.1, LARGEST) ?? row.softcap,
    weights: ofClasses("weights") ?? row.weights,
    mask: mask?.includes(true) ? mask : row.mask,
    isFloat32: parameters.get("dtype") === "float32",
  };
}
