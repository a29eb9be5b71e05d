// npm run bench:accuracy: how accurate softmax, cross-entropy and its gradient are, in ulps of the exact results.
//
// Writes results.md and confidence.svg beside this file where PyTorch can take part; fails, and writes nothing, where this library
// exceeds its bounds.

import { writeFileSync } from "node:fs";
import { battery } from "../../reference/battery.js";
import { seeded } from "../../reference/data.js";
import { LIMITS } from "../../reference/limits.js";
import { type Contestant, contestants, softmaxWasm } from "./contestants.js";
import { errorOf, exactResults, judge, QUANTITIES, type Row, type RowResults, resultsOf, type Verdicts } from "./errors.js";
import { draw, FIRST_GAP, LAST_GAP, type Point } from "./figure.js";
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

/** The figure's points, each the worst of as many rows, at gaps spread evenly on a logarithmic scale. */
const POINTS = 100;
const ROWS_A_POINT = 8;
const LAST = POINTS * ROWS_A_POINT - 1;
const GAPS = Array.from({ length: LAST + 1 }, (_, i) => FIRST_GAP ** (1 - i / LAST) * LAST_GAP ** (i / LAST));
const SWEEP = GAPS.map((gap): Row => ({ logits: [0, gap], label: 1 }));

const EXACT = new Map([...EXAMS.flatMap(({ rows }) => rows), ...SWEEP].map((row) => [row, exactResults(row)]));

async function verdictsOf(contestant: Contestant, rows: readonly Row[], precision?: Contestant["precision"]): Promise<Verdicts[]> {
  const results = await resultsOf(contestant, rows);
  return rows.map((row, r) => judge(results[r], EXACT.get(row) ?? exactResults(row), precision));
}

/** Rows in float32, without those that it cannot hold. */
function rounded(rows: readonly Row[]): Row[] {
  const fits = (x: number) => x === -Infinity || Number.isFinite(Math.fround(x));
  return rows.filter(({ logits }) => logits.every(fits)).map(({ logits, label }) => ({ logits: logits.map(Math.fround), label }));
}

/** In ulps of a double; then, if it has no doubles, on rows that its own numbers hold and in ulps of those. */
async function scoresOf(contestant: Contestant, rows: readonly Row[]): Promise<Score[]> {
  const { name, precision } = contestant;
  const scores = [{ name, verdicts: await verdictsOf(contestant, rows) }];
  if (precision === "float64") return scores;
  return [...scores, { name: `${name}, as ${precision}`, verdicts: await verdictsOf(contestant, rounded(rows), precision) }];
}

/** A line of the figure: the errors of a value of each row, the worst of a few neighbours. */
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

const field = contestants();
const isComplete = field.some(({ name }) => name === "PyTorch");
const exams: Exam[] = [];
for (const { title, rows } of EXAMS) {
  const scores: Score[] = [];
  for (const contestant of field) scores.push(...(await scoresOf(contestant, rows)));
  exams.push({ title, scores });
}
const tables = [overview(exams), ...exams.map(detail)];
console.log(tables.map(forTerminal).join("\n"));
if (!isComplete) {
  console.log("No Python here has PyTorch: results.md and confidence.svg, which show it, stay as they are.");
  process.exit(0);
}

const lines: Record<"loss" | "gradient", Record<string, Point[]>> = { loss: {}, gradient: {} };
for (const contestant of field) {
  const results = await resultsOf(contestant, SWEEP);
  lines.loss[contestant.name] = pointsOf("loss", 0, results);
  lines.gradient[contestant.name] = pointsOf("gradient", 1, results);
}
writeFileSync(new URL("confidence.svg", import.meta.url), draw(lines));

const report = `# Accuracy

Errors against 100-digit decimal arithmetic ([reference/oracle.ts](../../reference/oracle.ts)), in units in the last place (ulp) of the exact
result as a double. A row counts by the worst of its values. Written by \`npm run bench:accuracy\` on ${new Date().toISOString().slice(0, 10)} with
Node ${process.versions.node}, V8 ${process.versions.v8}.

![Error against confidence: loss and gradient at the label](confidence.svg)

- **Ordinary rows**: ${EXAMS[0].rows.length} rows of 10 logits, uniform from −5 to 5, and a random label.
- **Hard rows**: the ${EXAMS[1].rows.length} rows of [reference/battery.ts](../../reference/battery.ts), which were chosen because code
  goes wrong on them. In most, one logit is 1 to 745 above the others, and the label is there or elsewhere; others have large common
  offsets, logits far apart, −∞, or results that underflow.
- **No digit right**: NaN, ∞, 0, the wrong sign, or off by at least as much as the exact value; **0 for another** and **NaN or ∞** are
  counted in it. Results that round to 0 or ∞ may be that.
- **As float32**: on the rows rounded to float32, of which those are left out that it cannot hold, and in ulps of a float32.

| contestant | version | what is called |
| --- | --- | --- |
${field.map(({ name, version, what }) => `| ${name} | ${version} | ${what} |`).join("\n")}

${tables.map(asMarkdown).join("\n\n")}
`;
writeFileSync(new URL("results.md", import.meta.url), report);
