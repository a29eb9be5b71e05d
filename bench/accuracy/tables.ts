// The tables of errors: the share of right rows and the errors of the others, for the terminal and as Markdown.

import CliTable from "cli-table3";
import { LIMITS } from "../../reference/limits.js";
import type { Table } from "../record.js";
import { QUANTITIES, type Verdict, type Verdicts } from "./errors.js";

/** The verdicts of one implementation on the rows of one exam. */
export interface Score {
  readonly name: string;
  readonly verdicts: readonly Verdicts[];
}

const TITLES = { probs: "probabilities", loss: "loss", gradient: "gradient" };
const WITHIN = `within ${LIMITS.probs} ulp`;

const of = (quantity: (typeof QUANTITIES)[number], verdicts: readonly Verdicts[]) => verdicts.map((verdict) => verdict[quantity]);

/** The share of rows within the limit, rounded down, so that 100 % means all rows. */
function share(verdicts: readonly Verdict[], limit: number): string {
  const right = verdicts.filter(({ error }) => error <= limit).length;
  const percent = Math.floor((1000 * right) / verdicts.length) / 10;
  return `${right === verdicts.length ? "100" : percent.toFixed(1)} %`;
}

function ulps(error: number): string {
  if (error === Infinity) return "no digit right";
  if (error < 0.01) return error ? "< 0.01" : "0";
  return error < 100
    ? error.toPrecision(2)
    : error < 1e5
      ? String(Number(error.toPrecision(2)))
      : error.toExponential(1).replace("e+", "e");
}

const count = (verdicts: readonly Verdict[], flaw: (verdict: Verdict) => boolean) => {
  const found = verdicts.filter(flaw).length;
  return found ? String(found) : "";
};

/** A set of rows, and the scores of all implementations. */
export interface Exam {
  readonly title: string;
  readonly scores: readonly Score[];
}

/** The share of right rows, by exam and quantity. */
export function overview(exams: readonly Exam[]): Table {
  const sharesOf = ({ verdicts }: Score) => QUANTITIES.map((quantity) => share(of(quantity, verdicts), LIMITS[quantity]));
  return {
    title: `Rows with every value ${WITHIN}`,
    head: ["", ...exams.flatMap(({ title }) => [`${title}: p`, "loss", "gradient"])],
    rows: exams[0].scores.map(({ name }, i) => [name, ...exams.flatMap(({ scores }) => sharesOf(scores[i]))]),
  };
}

/** The errors of one exam; a row's error is that of its worst value. */
export function detail({ title, scores }: Exam): Table {
  return {
    title,
    head: ["", "", "rows", WITHIN, "median, ulp", "worst, ulp", "no digit right", "0 for another", "NaN or ∞"],
    rows: QUANTITIES.flatMap((quantity) =>
      scores.map((score) => {
        const verdicts = of(quantity, score.verdicts);
        const errors = verdicts.map(({ error }) => error).sort((a, b) => a - b);
        return [
          TITLES[quantity],
          score.name,
          String(errors.length),
          share(verdicts, LIMITS[quantity]),
          ulps(errors[errors.length >> 1]),
          ulps(errors[errors.length - 1]),
          count(verdicts, ({ error }) => error === Infinity),
          count(verdicts, ({ zero }) => zero),
          count(verdicts, ({ notFinite }) => notFinite),
        ];
      }),
    ),
  };
}

/** True for a column in which no cell begins with a number; the other columns are aligned to the right. */
const isText = ({ rows }: Table, column: number) => rows.every((row) => !/^[\d<]/.test(row[column]));

export function forTerminal(table: Table): string {
  const drawn = new CliTable({
    head: [...table.head],
    colAligns: table.head.map((_, column) => (isText(table, column) ? "left" : "right")),
    style: { head: [], border: [], compact: true },
  });
  drawn.push(...table.rows.map((row) => [...row]));
  return `\n${table.title}\n${drawn}`;
}

export const asMarkdown = (table: Table): string => `## ${table.title}\n\n${withoutTitle(table)}`;

export function withoutTitle(table: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = table.head.map((_, column) => (isText(table, column) ? "---" : "---:"));
  return [line(table.head), line(rule), ...table.rows.map(line)].join("\n");
}
