// The numbers of an evaluation, as JSON and in the terminal.

import { createHash } from "node:crypto";
import Table from "cli-table3";
import type { LossTotal } from "softmax-wasm";
import { type Plan, rowsOf } from "./pieces.js";

/** The rows whose confidence is above `from` and at most `to`. */
export interface Bin {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  /** Their mean confidence, and the part of them that is right; NaN without rows. */
  readonly confidence: number;
  readonly accuracy: number;
}

/** The result of an evaluation. */
export interface Summary {
  readonly rows: number;
  readonly classes: number;
  /** The rows that are not ignored. */
  readonly validCount: number;
  readonly totalWeight: number;
  readonly loss: number;
  readonly perplexity: number;
  readonly accuracy: number;
  /** Shards do not tell the rank of a label. */
  readonly topK?: number;
  readonly topKAccuracy?: number;
  readonly meanEntropy: number;
  readonly calibrationError: number;
  readonly bins: readonly Bin[];
  /** 16 hexadecimal digits of the exact sums behind these numbers, to tell if two runs have the same ones. */
  readonly digest: string;
}

/** JSON has no NaN and no infinity: they are strings. */
export function jsonOf(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_, entry) => (typeof entry === "number" && !Number.isFinite(entry) ? String(entry) : entry), indent);
}

export function summaryOf(total: LossTotal, { pieces, classes, shards, settings }: Plan): Summary {
  const { counts, confidence, accuracy, error } = total.calibration;
  return {
    rows: pieces.reduce((sum, piece) => sum + rowsOf(piece), 0) / shards,
    classes,
    validCount: total.validCount,
    totalWeight: total.totalWeight,
    loss: total.loss,
    perplexity: total.perplexity,
    accuracy: total.accuracy,
    ...(shards === 1 && { topK: settings.topK ?? 5, topKAccuracy: total.topKAccuracy }),
    meanEntropy: total.meanEntropy,
    calibrationError: error,
    bins: Array.from(counts, (rows, b) => ({
      from: b / counts.length,
      to: (b + 1) / counts.length,
      rows,
      confidence: confidence[b],
      accuracy: accuracy[b],
    })),
    digest: createHash("sha256").update(total.toBytes()).digest("hex").slice(0, 16),
  };
}

const percent = (part: number) => (Number.isNaN(part) ? "–" : `${(100 * part).toFixed(2)} %`);
const number = (value: number) => (Math.abs(value) >= 1e5 ? value.toExponential(4) : value.toPrecision(6));

/** The lines of a summary: name, value. */
export function linesOf(summary: Summary): readonly (readonly [name: string, value: string])[] {
  const { rows, validCount, classes, loss, perplexity, accuracy, topK, topKAccuracy, meanEntropy, calibrationError } = summary;
  const ignored = rows - validCount;
  return [
    ["rows", `${rows.toLocaleString("en")}${ignored > 0 ? `, ${ignored.toLocaleString("en")} ignored` : ""}`],
    ["classes", classes.toLocaleString("en")],
    ["loss", number(loss)],
    ["perplexity", number(perplexity)],
    ["accuracy", percent(accuracy)],
    [`top-${topK ?? "k"} accuracy`, topKAccuracy === undefined ? "not known from shards" : percent(topKAccuracy)],
    ["mean entropy", `${number(meanEntropy)} nats`],
    ["calibration error", percent(calibrationError)],
  ];
}

/** The columns of the diagram's bars, 0 to 1. */
const COLUMNS = 40;

/** A bar as long as the accuracy, with a mark at the confidence: at its end if the bin is calibrated. */
function bar({ accuracy, confidence, rows }: Bin): string {
  if (rows === 0) return "";
  const mark = Math.min(COLUMNS - 1, Math.floor(confidence * COLUMNS));
  const cells: string[] = Array.from({ length: COLUMNS }, (_, i) => (i + 0.5 < accuracy * COLUMNS ? "█" : i < mark ? "░" : " "));
  cells[mark] = "┃";
  return cells.join("").trimEnd();
}

/** The summary and its reliability diagram for the terminal. */
export function terminalReport(summary: Summary): string {
  const lines = linesOf(summary);
  const width = Math.max(...lines.map(([name]) => name.length));
  const table = new Table({
    head: ["confidence", "rows", "mean", "accuracy", `0${"1".padStart(COLUMNS - 1)}`],
    colAligns: ["left", "right", "right", "right", "left"],
    style: { head: [], border: [], compact: true },
  });
  for (const bin of summary.bins) {
    const { from, to, rows, confidence, accuracy } = bin;
    table.push([`${from.toFixed(2)} to ${to.toFixed(2)}`, rows.toLocaleString("en"), percent(confidence), percent(accuracy), bar(bin)]);
  }
  return [
    ...lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    "",
    "Reliability: bars are the accuracy, ┃ the mean confidence; ░ is confidence without the accuracy for it",
    table.toString(),
  ].join("\n");
}
