// The library in browsers: the bits of Node, and its own tests, but for those that need Node, take long, or follow from the bits.

import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bundle } from "../../scripts/bundle.js";
import { WAYS, type Way } from "../digests.js";
import committed from "../digests.json" with { type: "json" };
import { open } from "./browsers.js";
import { describeIn } from "./describe-in.js";
import type { DigestsPage } from "./digests.page.js";
import { ISOLATED, pageOf, type Site, serve } from "./server.js";
import type { TestsPage } from "./tests.page.js";

declare const page: DigestsPage;
declare const tests: TestsPage;

const TEST_FILES = ["cross-entropy", "errors", "functions", "layers"];

let site: Site;
beforeAll(async () => {
  await bundle("src/threads/worker.ts", "build/pages/softmax-wasm-worker.js", "release");
  await bundle("test/browser/digests.page.ts", "build/pages/digests.page.js", "release", { smallGrain: true });
  await bundle("test/browser/tests.page.ts", "build/pages/tests.page.js", "release", {
    alias: { vitest: "./test/browser/vitest.page.ts" },
    define: { "process.env.BUILD": '"release"' },
  });
  const pages = ["digests", "tests"].map((name) => [`/${name}.html`, pageOf(`import "/build/pages/${name}.page.js"`)]);
  site = await serve(Object.fromEntries(pages), ISOLATED);
});
afterAll(() => site?.[Symbol.asyncDispose]());

describeIn("the library", (browserHere) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await open(browserHere);
  });
  afterAll(() => browser?.close());

  /** A page that has run its script, which sets a global. */
  async function pageWith(name: string, global: string): Promise<Page> {
    const tab = await browser.newPage();
    await tab.goto(`${site.origin}/${name}.html`);
    await tab.waitForFunction(`globalThis.${global}`);
    return tab;
  }

  it.each(Object.keys(WAYS) as Way[])("has the committed bits by %s", async (way) => {
    const tab = await pageWith("digests", "page");
    if (way.includes("threads")) expect(await tab.evaluate(() => page.start(3))).toBeGreaterThan(1);
    const digests = await tab.evaluate((name) => page.digestsOf(name), way);
    await tab.close();
    expect(Object.keys(digests).length).toBeGreaterThan(5);
    expect(committed).toMatchObject(digests);
  });

  it.each(TEST_FILES)("passes %s", { timeout: 240_000 }, async (name) => {
    const tab = await pageWith("tests", "tests");
    const { passed, failures } = await tab.evaluate((file) => tests.run(file), name);
    await tab.close();
    expect(failures).toEqual([]);
    expect(passed).toBeGreaterThan(5);
  });
});
