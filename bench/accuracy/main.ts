// npm run bench:accuracy: the errors of softmax, cross-entropy and its gradient, in ulps of the exact results.
//
// Writes results.md and confidence.svg beside this file, results/accuracy-node-<major>.json, and what documents say of it, if PyTorch and the packages of bench/peers
// are installed. Fails and writes nothing if this library exceeds its bounds.

import { writeFileSync } from "node:fs";
import { battery } from "../../reference/battery.js";
import { seeded } from "../../reference/data.js";
import { LIMITS } from "../../reference/limits.js";
import { writeDocuments } from "../documents.js";
import { type AccuracyRecord, writeRecord } from "../record.js";
import { provenance } from "../versions.js";
import { draw, FIRST_GAP, LAST_GAP, type Point } from "./confidence-figure.js";
import { errorOf, exactResults, judge, QUANTITIES, type Row, type RowResults, resultsOf, type Verdicts } from "./errors.js";
import { float32Table } from "./float32.js";
import { type Implementation, implementations, softmaxWasm } from "./implementations.js";
import { asMarkdown, detail, type Exam, forTerminal, overview, type Score } from "./tables.js";

function ordinary(): Row[] {
  const random = seeded(1);
  return Array.from({ length: 1000 }, () => ({
    logits: Array.from({ length: 10 }, () => 10 * random() - 5),
    label: Math.floor(10 * random()),
  }));
}

function hard(): Row[] {
  return battery().flatMap(({ logits, indices }) => logits.map((row, r) => ({ logits: Array.from(row), label: indices[r] })));
}

const EXAMS = [
  { title: "Ordinary rows", rows: ordinary() },
  { title: "Hard rows", rows: hard() },
];

/** The points of the figure are at gaps spread evenly on a logarithmic scale; each is the largest error of ROWS_A_POINT rows. */
const POINTS = 100;
const ROWS_A_POINT = 8;
const LAST = POINTS * ROWS_A_POINT - 1;
const GAPS = Array.from({ length: LAST + 1 }, (_, i) => FIRST_GAP ** (1 - i / LAST) * LAST_GAP ** (i / LAST));
const SWEEP = GAPS.map((gap): Row => ({ logits: [0, gap], label: 1 }));

const EXACT = new Map([...EXAMS.flatMap(({ rows }) => rows), ...SWEEP].map((row) => [row, exactResults(row)]));

async function verdictsOf(
  implementation: Implementation,
  rows: readonly Row[],
  precision?: Implementation["precision"],
): Promise<Verdicts[]> {
  const results = await resultsOf(implementation, rows);
  return rows.map((row, r) => judge(results[r], EXACT.get(row) ?? exactResults(row), precision));
}

/** Rows rounded to float32, without those with a logit beyond float32. */
function rounded(rows: readonly Row[]): Row[] {
  const fits = (x: number) => x === -Infinity || Number.isFinite(Math.fround(x));
  return rows.filter(({ logits }) => logits.every(fits)).map(({ logits, label }) => ({ logits: logits.map(Math.fround), label }));
}

/** The score in ulps of a double; for an implementation in float32 also the score on rows rounded to float32, in ulps of a float32. */
async function scoresOf(implementation: Implementation, rows: readonly Row[]): Promise<Score[]> {
  const { name, precision } = implementation;
  const scores = [{ name, verdicts: await verdictsOf(implementation, rows) }];
  if (precision === "float64") return scores;
  return [...scores, { name: `${name}, as ${precision}`, verdicts: await verdictsOf(implementation, rounded(rows), precision) }];
}

/** A line of the figure, of the value number `at` of a quantity: the largest errors of neighbouring rows. */
function pointsOf(quantity: "loss" | "gradient", at: number, results: readonly RowResults[]): Point[] {
  const errors = SWEEP.map((row, r) => errorOf(results[r][quantity][at], EXACT.get(row)![quantity][at], LIMITS[quantity]));
  return Array.from({ length: POINTS }, (_, i) => ({
    gap: GAPS[i * ROWS_A_POINT + (ROWS_A_POINT >> 1)],
    error: Math.max(...errors.slice(i * ROWS_A_POINT, (i + 1) * ROWS_A_POINT)),
  }));
}

const tested = Array.from(EXACT.keys());
const violations = (await verdictsOf(softmaxWasm, tested)).flatMap((verdicts, r) =>
  QUANTITIES.filter((quantity) => !(verdicts[quantity].error <= LIMITS[quantity])).map(
    (quantity) => `${quantity} of [${tested[r].logits}], label ${tested[r].label}: ${verdicts[quantity].error} ulp off`,
  ),
);
if (violations.length) {
  console.error(`softmax-wasm exceeds its bounds (reference/limits.ts):\n${violations.slice(0, 10).join("\n")}`);
  process.exit(1);
}

const all = implementations();
const exams: Exam[] = [];
for (const { title, rows } of EXAMS) {
  const scores: Score[] = [];
  for (const implementation of all) scores.push(...(await scoresOf(implementation, rows)));
  exams.push({ title, scores });
}
const float32 = await float32Table(EXAMS.map(({ title, rows }) => ({ title, rows: rounded(rows) })));
const tables = [overview(exams), float32, ...exams.map(detail)];
console.log(tables.map(forTerminal).join("\n"));
const isComplete = all.some(({ name }) => name === "PyTorch") && float32.rows.some(([name]) => name.startsWith("ONNX Runtime"));
if (!isComplete) {
  console.log("PyTorch or the packages of bench/peers are missing: results.md and confidence.svg, which show them, stay as they are.");
  process.exit(0);
}

const lines: Record<"loss" | "gradient", Record<string, Point[]>> = { loss: {}, gradient: {} };
for (const implementation of all) {
  const results = await resultsOf(implementation, SWEEP);
  lines.loss[implementation.name] = pointsOf("loss", 0, results);
  lines.gradient[implementation.name] = pointsOf("gradient", 1, results);
}
writeFileSync(new URL("confidence.svg", import.meta.url), draw(lines));

const report = `# Accuracy

Errors against 100-digit decimal arithmetic ([reference/oracle.ts](../../reference/oracle.ts)), in units in the last place (ulp) of the exact
result as a double. A row counts by the worst of its values. Written by \`npm run bench:accuracy\` on ${new Date().toISOString().slice(0, 10)} with
Node ${process.versions.node}, V8 ${process.versions.v8}.

![Error against confidence: loss and gradient at the label](confidence.svg)

- **Ordinary rows**: ${EXAMS[0].rows.length} rows of 10 logits, uniform from −5 to 5, and a random label.
- **Hard rows**: the ${EXAMS[1].rows.length} rows of [reference/battery.ts](../../reference/battery.ts), which were chosen because code
  goes wrong on them. In most, one logit is 1 to 745 above the others, and the label is that class or another one; others have large common
  offsets, logits far apart, −∞, or results that underflow.
- **No digit right**: the result is NaN, ∞ or 0, has the wrong sign, or is off by at least the exact value. The columns **0 for another** and
  **NaN or ∞** count parts of these. Where the exact result rounds to 0 or ∞, that result is right.
- **As float32**: on the rows rounded to float32, without those beyond its range, and in ulps of a float32.

| implementation | version | functions called |
| --- | --- | --- |
${all.map(({ name, version, calls }) => `| ${name} | ${version} | ${calls} |`).join("\n")}

${tables.map(asMarkdown).join("\n\n")}
`;
writeFileSync(new URL("results.md", import.meta.url), report);
const record: AccuracyRecord = { ...provenance(), overview: tables[0], float32 };
writeRecord("accuracy-", record);
writeDocuments();
