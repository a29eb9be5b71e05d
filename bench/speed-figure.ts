// The figure of times: ns per logit of loss with gradient, a panel a shape, a bar an implementation.

import { drawBars } from "./bars.js";
import type { BenchRecord, Timed } from "./record.js";

/** The workloads with a panel, if the record has them: few classes, many, very many, and a strided axis. */
const PANELS: Readonly<Record<string, string>> = {
  "gradient-8192x10": "digit classifier",
  "gradient-1024x1000": "ImageNet",
  "gradient-64x32000": "language model",
  "gradient-64x21x4096": "segmentation",
};

interface Style {
  readonly fill: string;
  readonly text: string;
  readonly title?: string;
}

/** Bars from top to bottom; the bar of the best other library comes last. */
const STYLES: Readonly<Record<string, Style>> = {
  resident: { fill: "#0b62c4", text: "#0b5cb8" },
  relaxed: { fill: "#083e7d", text: "#083e7d" },
  copying: { fill: "#6aa7e3", text: "#2a70b5" },
  c: { fill: "#3e4c59", text: "#3e4c59", title: "C, the same algorithm" },
  pytorch: { fill: "#14532d", text: "#14532d" },
  numpy: { fill: "#7a4f9a", text: "#6b4389" },
  "plain-exp": { fill: "#f8d98b", text: "#8a5a00" },
  plain: { fill: "#f0b429", text: "#8a5a00" },
};
const PEER: Style = { fill: "#9aa1ab", text: "#565d69" };

/** The fastest implementation without a style: among those in the most panels, the one with the smallest product of times. */
function bestPeer({ implementations }: BenchRecord, panels: readonly Timed[]): string | undefined {
  const peers = Object.keys(implementations).filter((name) => !(name in STYLES));
  const marks = peers.map((name) => {
    const times = panels.flatMap(({ times }) => (times[name] ? [times[name].nsPerLogit] : []));
    return { name, panels: times.length, product: times.reduce((a, b) => a * b, 1) };
  });
  marks.sort((a, b) => b.panels - a.panels || a.product - b.product);
  return marks[0]?.panels ? marks[0].name : undefined;
}

export function draw(record: BenchRecord): string {
  const panels = Object.keys(PANELS).flatMap((id) => record.workloads.filter((workload) => workload.id === id));
  const has = (name: string) => panels.some(({ times }) => name in times);
  const peer = bestPeer(record, panels);
  const names = [...Object.keys(STYLES).filter(has), ...(peer === undefined ? [] : [peer])];
  const styleOf = (name: string) => STYLES[name] ?? PEER;

  return drawBars({
    description: "Loss with gradient: nanoseconds per logit by implementation and shape",
    title: "Loss with gradient, float64",
    machine: `${record.cpu}, one core; Node ${record.node}; ${record.date}`,
    unit: "ns per logit; shorter is faster",
    rows: names.map((name) => ({ ...styleOf(name), title: styleOf(name).title ?? record.implementations[name].title })),
    panels: panels.map(({ id, title, times }) => ({ title, note: PANELS[id], values: names.map((name) => times[name]?.nsPerLogit) })),
  });
}
