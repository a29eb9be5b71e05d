// Where pages run code: policies, workers, scopes that lack something or can't be changed.

import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { softmax } from "../../src/index.js";
import { open } from "./browsers.js";
import { describeIn } from "./describe-in.js";
import { pageFor, serve } from "./server.js";

declare const outcome: Promise<unknown>;

const LOGITS = [1, 2, 3, 1000];

/** Says softmax of the logits, or what has been thrown. */
const SAY = `import("/dist/softmax-wasm.min.js").then(({ softmax }) => softmax(${JSON.stringify(LOGITS)})).catch(({ message }) => message)`;
const IN_PAGE = `globalThis.outcome = ${SAY}`;

/** The same in a module worker that does something first. */
const inWorker = (first: string) => `globalThis.outcome = new Promise((resolve) => {
  const script = ${JSON.stringify(`${first}; const answer = postMessage; `)} + ${JSON.stringify(SAY.replaceAll("/dist", "ORIGIN/dist"))}.replace("ORIGIN", location.origin) + ".then(answer)";
  const worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })), { type: "module" });
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => resolve(message);
});`;

const FREEZE =
  "for (const name of Object.getOwnPropertyNames(globalThis)) { const value = globalThis[name]; if (typeof value === 'function' || name === 'Math' || name === 'WebAssembly') { Object.freeze(value.prototype); Object.freeze(value); } }";

describeIn("scopes", (browserHere) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await open(browserHere);
  });
  afterAll(() => browser?.close());

  async function outcomeOf(script: string, policy?: string): Promise<unknown> {
    const headers: Record<string, string> = policy === undefined ? {} : { "Content-Security-Policy": policy };
    await using site = await serve({ "/index.html": pageFor("/script.js"), "/script.js": script }, headers);
    const tab = await browser.newPage();
    await tab.goto(`${site.origin}/index.html`);
    await tab.waitForFunction("globalThis.outcome");
    const result = await tab.evaluate(() => outcome);
    await tab.close();
    return result;
  }

  it("computes under a policy with 'wasm-unsafe-eval'", async () => {
    expect(await outcomeOf(IN_PAGE, "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'")).toEqual(softmax(LOGITS));
  });

  it("says which directive a policy lacks", async () => {
    const message = await outcomeOf(IN_PAGE, "default-src 'none'; script-src 'self'");
    expect(message).toContain("a Content-Security-Policy needs script-src 'wasm-unsafe-eval'");
  });

  it("computes in a worker", async () => {
    expect(await outcomeOf(inWorker(""))).toEqual(softmax(LOGITS));
  });

  it("computes where all that is built in is frozen, before the import or after it", async () => {
    const before = `const { softmax } = await import(location.origin + "/dist/softmax-wasm.min.js"); ${FREEZE}; globalThis.outcome = softmax(${JSON.stringify(LOGITS)})`;
    expect(await outcomeOf(before)).toEqual(softmax(LOGITS));
    expect(await outcomeOf(`${FREEZE}; ${IN_PAGE}`)).toEqual(softmax(LOGITS));
  });

  it("computes in an audio worklet", async () => {
    const processor = `import { softmax } from "ORIGIN/dist/softmax-wasm.min.js";
registerProcessor("softmax", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.port.postMessage({ p: softmax(${JSON.stringify(LOGITS)}), hasDecoder: "TextDecoder" in globalThis });
  }
  process() {
    return false;
  }
});`;
    const page = `globalThis.outcome = (async () => {
  const script = ${JSON.stringify(processor)}.replace("ORIGIN", location.origin);
  const context = new OfflineAudioContext(1, 128, 44100);
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
  const node = new AudioWorkletNode(context, "softmax");
  const said = new Promise((resolve) => (node.port.onmessage = ({ data }) => resolve(data)));
  node.connect(context.destination);
  await context.startRendering();
  return said;
})().catch(({ message }) => message);`;
    expect(await outcomeOf(page)).toEqual({ p: softmax(LOGITS), hasDecoder: false });
  });
});
