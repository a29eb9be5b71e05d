// The figure of products: GFLOP/s of X Wᵀ, a panel a shape and element type, a bar an implementation.

import { drawBars } from "./bars.js";
import type { LinearRecord } from "./record.js";
import { PRODUCTS } from "./tables.js";

/** The shapes with a panel, and what they are. */
const NOTES: Readonly<Record<string, string>> = {
  "512×512×512": "large",
  "100×784×10": "digits of MNIST",
  "64×512×1024": "a block of a head",
};

const COLORS: Readonly<Record<string, readonly [fill: string, text: string]>> = {
  "softmax-wasm": ["#0b62c4", "#0b5cb8"],
  c: ["#3e4c59", "#3e4c59"],
  "tfjs-wasm": ["#9aa1ab", "#565d69"],
  "onnxruntime-web": ["#9aa1ab", "#565d69"],
  plain: ["#f0b429", "#8a5a00"],
  numpy: ["#7a4f9a", "#6b4389"],
  pytorch: ["#14532d", "#14532d"],
};

export function draw({ cpu, node, date, products }: LinearRecord): string {
  const panels = products.filter(({ title, dtype }) => title in NOTES && dtype === "float32");
  const names = Object.keys(COLORS).filter((name) => panels.some(({ gflops }) => name in gflops));
  return drawBars({
    description: "GFLOP/s of the product of input and weights, by implementation and shape",
    title: "Products X Wᵀ, float32",
    machine: `${cpu}, one core; Node ${node}; ${date}`,
    unit: "GFLOP/s; longer is faster",
    rows: names.map((name) => ({ title: PRODUCTS[name], fill: COLORS[name][0], text: COLORS[name][1] })),
    panels: panels.map(({ title, gflops }) => ({ title, note: NOTES[title], values: names.map((name) => gflops[name]) })),
  });
}
