// The share of results in float32 that are not the float32 next to the exact result: of this library, plain JavaScript, PyTorch, and the other
// libraries of bench/peers that are installed.

import { type Exact, ulpError } from "../../reference/oracle.js";
import { IMPLEMENTATIONS } from "../implementations.js";
import { implementPeer } from "../peers/implementations.js";
import type { Table } from "../record.js";
import type { Task, Implementation as Timed } from "../task.js";
import { exactResults, type Row } from "./errors.js";
import { pyTorch } from "./implementations.js";

const QUANTITIES = ["probs", "gradient"] as const;
interface Results {
  readonly probs: ArrayLike<number> | undefined;
  /** The gradient of the mean loss, or of another part of its sum: divided by `divisor`. */
  readonly gradient: ArrayLike<number> | undefined;
  readonly divisor: number;
}

/** Rows of one length. */
interface Group {
  readonly classes: number;
  /** As many as a power of 2, so that to divide by their number is no rounding. The first `count` of them count. */
  readonly rows: readonly Row[];
  readonly count: number;
}

/** Results of a group, both (rows, classes); undefined where there are none. */
type Run = (group: Group) => Promise<Results>;

const flat = ({ rows }: Group) => Float64Array.from(rows.flatMap(({ logits }) => logits));
const labelsOf = ({ rows }: Group) => Int32Array.from(rows, ({ label }) => label);

function byTasks(implementation: string, implement: (task: Task) => Promise<Timed | string> | Timed | string): Run {
  return async (group) => {
    const { rows, classes } = group;
    const resultOf = async (op: Task["op"]) => {
      const timed = await implement({
        implementation,
        op,
        outer: rows.length,
        classes,
        inner: 1,
        logits: flat(group),
        labels: labelsOf(group),
      });
      if (typeof timed === "string") return undefined;
      await timed.run();
      return Array.from(await timed.result());
    };
    const gradient = await resultOf("gradient");
    return { probs: await resultOf("softmax"), gradient: gradient?.slice(1), divisor: rows.length };
  };
}

/** By name. */
const RUNS: Readonly<Record<string, Run>> = {
  "softmax-wasm": byTasks("copying-float32", IMPLEMENTATIONS["copying-float32"]),
  "plain JavaScript, in doubles": byTasks("plain-float32", IMPLEMENTATIONS["plain-float32"]),
  ...Object.fromEntries(
    pyTorch("float32").map((torch): [string, Run] => [
      `PyTorch ${torch.version}`,
      async (group) => {
        const { rows, classes } = group;
        const [results] = await torch.run([{ rows: rows.length, classes, logits: flat(group), labels: labelsOf(group) }]);
        return { ...results, divisor: 1 };
      },
    ]),
  ),
  "TensorFlow.js, WebAssembly": byTasks("tfjs-wasm", implementPeer),
  "ONNX Runtime, native": byTasks("onnxruntime-node-float32", implementPeer),
  "ONNX Runtime, WebAssembly": byTasks("onnxruntime-web-float32", implementPeer),
  "jax-js": byTasks("jax-js", implementPeer),
};

function groupsOf(rows: readonly Row[]): Group[] {
  const lengths = Array.from(new Set(rows.map(({ logits }) => logits.length)));
  return lengths.map((classes) => {
    const members = rows.filter(({ logits }) => logits.length === classes);
    const padding = 2 ** Math.ceil(Math.log2(members.length)) - members.length;
    return { classes, rows: [...members, ...new Array<Row>(padding).fill(members[0])], count: members.length };
  });
}

interface Share {
  values: number;
  notNearest: number;
  /** The largest error in ulps of float32. */
  worst: number;
}

/** A value that is further than half an ulp from the exact one is not the nearest, NaN neither. */
function judge(share: Share, got: number, want: Exact): void {
  const error = ulpError(got, want, undefined, "float32");
  share.values++;
  if (!(error <= 0.5)) share.notNearest++;
  share.worst = Math.max(share.worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
}

function cellOf({ values, notNearest, worst }: Share): string {
  if (values === 0) return "";
  const percent = notNearest === 0 ? "0" : ((100 * notNearest) / values).toPrecision(2);
  const ulps = worst < 100 ? worst.toPrecision(2) : worst < 1e7 ? worst.toPrecision(2).replace("e+", "e") : "no digit right";
  return `${percent} % (${ulps})`;
}

/** The table of the shares. `exams` are rows of float32 numbers, by title. */
export async function float32Table(exams: readonly { readonly title: string; readonly rows: readonly Row[] }[]): Promise<Table> {
  const groups = exams.map(({ rows }) =>
    groupsOf(rows).map((group) => ({ ...group, exact: group.rows.slice(0, group.count).map(exactResults) })),
  );
  const lines: string[][] = [];
  for (const [name, run] of Object.entries(RUNS)) {
    const cells: string[] = [];
    for (const ofExam of groups) {
      const shares = { probs: { values: 0, notNearest: 0, worst: 0 }, gradient: { values: 0, notNearest: 0, worst: 0 } };
      for (const group of ofExam) {
        const { probs, gradient, divisor } = await run(group);
        group.exact.forEach((exact, r) => {
          for (let j = 0; j < group.classes; j++) {
            const i = r * group.classes + j;
            if (probs) judge(shares.probs, probs[i], exact.probs[j]);
            if (gradient) judge(shares.gradient, gradient[i], exact.gradient[j].div(divisor));
          }
        });
      }
      cells.push(...QUANTITIES.map((quantity) => cellOf(shares[quantity])));
    }
    if (cells.some((cell) => cell !== "")) lines.push([name, ...cells]);
  }
  return {
    title: "Float32: values that are not the nearest float32, and the worst error in ulps of float32",
    head: ["", ...exams.flatMap(({ title }) => [`${title}: p`, "gradient"])],
    rows: lines,
  };
}
