// Threads in browsers: in a page that is cross-origin isolated, in one that is not, and in one that allows no workers.

import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { crossEntropyWithGradient } from "../../src/index.js";
import { complaintsOf, open } from "./browsers.js";
import { describeIn } from "./describe-in.js";
import { ISOLATED, pageOf, serve } from "./server.js";

declare const program: () => Promise<{ threads: number; loss: number; gradient: number[] }>;

const CALLS = 100;
const SHAPE = [512, 512];
const logits = Float64Array.from({ length: SHAPE[0] * SHAPE[1] }, (_, i) => Math.round(500 * Math.sin(i)) / 10);
const labels = Int32Array.from({ length: SHAPE[0] }, (_, r) => (7 * r) % SHAPE[1]);

/** Two layers; calls until one has had two hands, at most so many. */
const PROGRAM = `
import { SoftmaxCrossEntropy } from "softmax-wasm";
globalThis.program = async () => {
  const layers = [2, 3].map((threads) => new SoftmaxCrossEntropy({ shape: ${JSON.stringify(SHAPE)}, threads }));
  const [layer] = layers;
  layer.logits.set(Float64Array.from({ length: ${logits.length} }, (_, i) => Math.round(500 * Math.sin(i)) / 10));
  layer.labels.set(Int32Array.from({ length: ${labels.length} }, (_, r) => (7 * r) % ${SHAPE[1]}));
  let loss = 0;
  for (let call = 0; call < ${CALLS} && layer.threads < 2; call++) {
    loss = layer.forward();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const result = { threads: layer.threads, loss, gradient: Array.from(layer.backward()) };
  for (const one of layers) one.dispose();
  return result;
};`;

describeIn("threads", (browserHere) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await open(browserHere);
  });
  afterAll(() => browser?.close());

  /** What the program gives in a page with such headers, and what the page complains of. */
  async function run(headers: Readonly<Record<string, string>>) {
    await using site = await serve({ "/index.html": pageOf(PROGRAM) }, headers);
    const tab = await browser.newPage();
    const complaints = complaintsOf(tab);
    await tab.goto(`${site.origin}/index.html`);
    await tab.waitForFunction("globalThis.program");
    const { threads, loss, gradient } = await tab.evaluate(() => program());
    await tab.close();
    const expected = crossEntropyWithGradient(logits, labels, { shape: SHAPE });
    expect(loss).toBe(expected.loss);
    expect(gradient).toEqual(Array.from(expected.gradient));
    return { threads, complaints };
  }

  it("share the work of an isolated page", async () => {
    expect(await run(ISOLATED)).toEqual({ threads: 2, complaints: [] });
  });

  it("are one, after one warning, in a page that is not", async () => {
    const { threads, complaints } = await run({});
    expect(threads).toBe(1);
    expect(complaints).toEqual([
      "softmax-wasm: threads need a page that is cross-origin isolated (headers COOP and COEP); going on with one thread",
    ]);
  });

  it("are fewer where a policy allows no workers", async () => {
    const { threads } = await run({ ...ISOLATED, "Content-Security-Policy": "worker-src 'none'" });
    expect(threads).toBe(1);
  });
});
