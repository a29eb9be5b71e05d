// Threads in browsers: in a page that is cross-origin isolated, in one that is not, and in one that allows no workers.

import { readFileSync } from "node:fs";
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { crossEntropyWithGradient } from "../../src/index.js";
import { complaintsOf, open } from "./browsers.js";
import { describeIn } from "./describe-in.js";
import { type Answer, ISOLATED, pageOf, serve } from "./server.js";

interface Outcome {
  readonly threads: number;
  readonly reason?: string;
  readonly loss: number;
  readonly gradient: number[];
}

declare const program: () => Promise<Outcome>;

const CALLS = 100;
const SHAPE = [512, 512];
const logits = Float64Array.from({ length: SHAPE[0] * SHAPE[1] }, (_, i) => Math.round(500 * Math.sin(i)) / 10);
const labels = Int32Array.from({ length: SHAPE[0] }, (_, r) => (7 * r) % SHAPE[1]);

const WORKER = "/dist/softmax-wasm-worker.js";

/** Two layers; calls until one has had two threads, at most so many. */
const PROGRAM = `
import { SoftmaxCrossEntropy } from "softmax-wasm";
globalThis.program = async () => {
  const layers = [2, 3].map((threads) => new SoftmaxCrossEntropy({ shape: ${JSON.stringify(SHAPE)}, threads }));
  const [layer] = layers;
  layer.logits.set(Float64Array.from({ length: ${logits.length} }, (_, i) => Math.round(500 * Math.sin(i)) / 10));
  layer.labels.set(Int32Array.from({ length: ${labels.length} }, (_, r) => (7 * r) % ${SHAPE[1]}));
  let loss = 0;
  for (let call = 0; call < ${CALLS} && layer.threads < 2 && !(call > 0 && layer.threadsReason); call++) {
    loss = layer.forward();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const result = { threads: layer.threads, reason: layer.threadsReason, loss, gradient: Array.from(layer.backward()) };
  for (const one of layers) one.dispose();
  return result;
};`;

describeIn("threads", (browserHere) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await open(browserHere);
  });
  afterAll(() => browser?.close());

  /** What the program gives in a page with such headers, and what the page complains of; `worker` is the answer for the worker's file. */
  async function run(headers: Readonly<Record<string, string>>, worker?: Answer) {
    await using site = await serve({ "/index.html": pageOf(PROGRAM), ...(worker && { [WORKER]: worker }) }, headers);
    const tab = await browser.newPage();
    const complaints = complaintsOf(tab);
    await tab.goto(`${site.origin}/index.html`);
    await tab.waitForFunction("globalThis.program");
    const { threads, reason, loss, gradient } = await tab.evaluate(() => program());
    await tab.close();
    const expected = crossEntropyWithGradient(logits, labels, { shape: SHAPE });
    expect(loss).toBe(expected.loss);
    expect(gradient).toEqual(Array.from(expected.gradient));
    return { threads, reason, complaints };
  }

  it("share the work of an isolated page", async () => {
    expect(await run(ISOLATED)).toEqual({ threads: 2, complaints: [] });
  });

  it.each([
    ["is not there", { status: 404, headers: {}, body: "" }],
    ["is another file", { status: 200, headers: { ...ISOLATED, "Content-Type": "text/html" }, body: "<!doctype html>" }],
    ["has no header COEP", { status: 200, headers: {}, body: readFileSync(new URL(`../..${WORKER}`, import.meta.url), "utf8") }],
  ])("start from their source where their file %s", async (_, worker) => {
    const { threads, reason } = await run(ISOLATED, worker);
    expect({ threads, reason }).toEqual({ threads: 2, reason: undefined });
  });

  it("start from their file where a policy allows nothing else", async () => {
    const { threads } = await run({ ...ISOLATED, "Content-Security-Policy": "worker-src 'self'" });
    expect(threads).toBe(2);
  });

  it("give the memory of a layer that was disposed to the next one", async () => {
    const script = `
import { Softmax } from "softmax-wasm";
let memories = 0;
const { Memory } = WebAssembly;
WebAssembly.Memory = class extends Memory {
  constructor(descriptor) {
    super(descriptor);
    if (descriptor.shared) memories++;
  }
};
for (let i = 0; i < 300; i++) {
  const layer = new Softmax({ shape: ${JSON.stringify(SHAPE)}, threads: 2 });
  layer.logits.fill(i);
  layer.forward();
  layer.dispose();
}
globalThis.memories = memories;`;
    await using site = await serve({ "/index.html": pageOf(script) }, ISOLATED);
    const tab = await browser.newPage();
    await tab.goto(`${site.origin}/index.html`);
    await tab.waitForFunction("globalThis.memories");
    expect(await tab.evaluate("globalThis.memories")).toBe(1);
    await tab.close();
  });

  const warningsOf = (complaints: readonly string[]) => complaints.filter((complaint) => complaint.startsWith("softmax-wasm"));

  it.each([
    ["in a page that is not isolated", {}, "the page is not cross-origin isolated (headers COOP and COEP)"],
    [
      "where a policy allows no workers",
      { ...ISOLATED, "Content-Security-Policy": "worker-src 'none'" },
      "a Content-Security-Policy needs worker-src 'self' or blob:",
    ],
  ])("are one, after one warning, %s", async (_, headers, expected) => {
    const { threads, reason, complaints } = await run(headers);
    expect(threads).toBe(1);
    expect(reason).toContain(expected);
    expect(warningsOf(complaints)).toEqual([`softmax-wasm: going on with one thread, as ${reason}`]);
  });
});
