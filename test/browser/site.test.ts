// The site of the documentation, as `npm run docs` writes it: its files lead to each other, and its pages are used in Chromium.

import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import type { AxeResults, RunOptions } from "axe-core";
import type { Browser, Page } from "puppeteer-core";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSite } from "../../scripts/site.js";
import * as decode from "../../src/decode.js";
import * as library from "../../src/index.js";
import * as linear from "../../src/linear.js";
import { filesInDocuments, inDocblocks, inDocuments, modulesInDocuments } from "../examples.js";
import { BROWSERS, isInstalled, open } from "./browsers.js";
import { type Site, serve } from "./server.js";

declare const axe: { run(context: string, options: RunOptions): Promise<AxeResults> };

const root = new URL("../../", import.meta.url);
const folder = new URL("build/site/", root);
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 390, height: 844 };
const SCREEN = { width: 1280, height: 900 };
/** What is checked in each colour scheme: everything in one, and what depends on colours in the other. */
const SCHEMES: Readonly<Record<string, RunOptions>> = { light: {}, dark: { runOnly: ["color-contrast", "link-in-text-block"] } };
const CHROMIUM = BROWSERS[0];

const { projectDocuments } = ts.readConfigFile(fileURLToPath(new URL("typedoc.json", root)), ts.sys.readFile).config;
/** The documents, each with its page. */
const DOCUMENTS: readonly (readonly [path: string, page: string])[] = [
  ["README.md", "index.html"],
  ...projectDocuments.map((path: string) => [path, `documents/${posix.basename(path, ".md")}.html`] as const),
];
const pageOf = new Map(DOCUMENTS);

/** Every document, and a page of each kind of the reference. */
const SHOWN = [
  ...pageOf.values(),
  "modules.html",
  "modules/index.html",
  "functions/index.crossEntropy.html",
  "functions/index.logSumExp.html",
  "classes/index.SoftmaxCrossEntropy.html",
  "interfaces/index.LossOptions.html",
  "types/index.Tensor.html",
];

/** The text of a piece of HTML. */
const textOf = (html: string) =>
  html
    .replace(/<br\/?>/g, "\n")
    .replace(/<button[\s\S]*?<\/button>|<[^>]*>/g, "")
    .replace(
      /&(lt|gt|quot|amp|nbsp|#39|#x27);/g,
      (_, name) => ({ lt: "<", gt: ">", quot: '"', amp: "&", nbsp: "\u00a0" })[name as string] ?? "'",
    )
    .replaceAll("\u00a0", " ");

const all = (text: string, pattern: RegExp) => Array.from(text.matchAll(pattern), ([, found]) => found);

let files: ReadonlySet<string>;
let pages: ReadonlyMap<string, string>;

beforeAll(async () => {
  await writeSite();
  files = new Set(readdirSync(folder, { recursive: true, encoding: "utf8" }));
  const html = [...files].filter((file) => file.endsWith(".html"));
  pages = new Map(html.map((file) => [file, readFileSync(new URL(file, folder), "utf8")]));
});

describe("the site", () => {
  it("has a page for each function and class, with the options in a table", () => {
    const entries = { index: library, decode, linear };
    for (const [entry, names] of Object.entries(entries)) {
      for (const [name, value] of Object.entries(names)) {
        const isClass = /^class\b/.test(Function.prototype.toString.call(value));
        const page = pages.get(`${isClass ? "classes" : "functions"}/${entry}.${name}.html`) ?? "";
        expect(page, name).toContain(`${isClass ? "Class" : "Function"} ${name}`);
        if (textOf(page).includes("options?:")) expect(page, name).toContain('<table class="options">');
      }
    }
    const table = pages.get("functions/index.crossEntropy.html")?.match(/<table class="options">[\s\S]*?<\/table>/)?.[0] ?? "";
    expect(all(table, /<td><code>(\w+)<\/code>/g)).toEqual(expect.arrayContaining(["axis", "labelSmoothing", "outputs", "reduction"]));
  });

  it("has groups, of which types are the last", () => {
    const groups = (entry: string) => all(pages.get(`modules/${entry}.html`) ?? "", /data-key="section-(\w+)"><svg[\s\S]*?<h2/g);
    expect(groups("index")).toEqual(["Softmax", "Loss", "Layers", "Parts", "Types"]);
    expect(groups("decode")).toEqual(["Decoding", "Types"]);
    expect(groups("linear")).toEqual(["Linear", "Types"]);
  });

  it("has links to its own files and headings only", () => {
    const ids = new Map(Array.from(pages, ([file, page]) => [file, new Set(all(page, /\bid="([^"]*)"/g))]));
    const broken = Array.from(pages, ([file, page]) =>
      all(page, /\b(?:href|src|srcset)="([^"]*)"/g).flatMap((address) => {
        if (address.startsWith("https:")) return [];
        const [path, anchor] = address.split("#");
        const target = path === "" ? file : posix.join(posix.dirname(file), path);
        if (!files.has(target)) return [`${file}: ${address}`];
        return anchor && target.endsWith(".html") && !ids.get(target)?.has(anchor) ? [`${file}: ${address}`] : [];
      }),
    );
    expect(broken.flat()).toEqual([]);
  });

  it("keeps the links between documents", () => {
    for (const [path, own] of DOCUMENTS) {
      const links = all(readFileSync(new URL(path, root), "utf8").replace(/^```[\s\S]*?^```/gm, ""), /\]\(([^)]*)\)/g);
      for (const link of links) {
        const [file, anchor] = link.split("#");
        const target = pageOf.get(posix.join(posix.dirname(path), file));
        if (!target) continue;
        const address = posix.relative(posix.dirname(own), target);
        expect(pages.get(own), `${path}: ${link}`).toContain(`<a href="${anchor ? `${address}#${anchor}` : address}">`);
      }
    }
  });

  it("shows no code but examples that are run, commands and formulas", () => {
    const run = new Set([...inDocuments, ...inDocblocks, ...modulesInDocuments, ...filesInDocuments].map(([, example]) => example.trim()));
    const blocks = Array.from(pages.values(), (page) => Array.from(page.matchAll(/<code class="(\w+)">([\s\S]*?)<\/code>/g))).flat();
    expect(new Set(blocks.map(([, language]) => language))).toEqual(new Set(["ts", "tsx", "js", "sh", "text"]));
    const code = blocks.filter(([, language]) => ["ts", "tsx", "js"].includes(language)).map(([, , html]) => textOf(html).trim());
    expect(code.filter((block) => !run.has(block))).toEqual([]);
    expect(new Set(code).size).toBe(run.size);
  });
});

describe.skipIf(!isInstalled(CHROMIUM))("the site in Chromium", () => {
  let browser: Browser;
  let site: Site;
  let page: Page;
  const requested: string[] = [];
  const messages: string[] = [];

  beforeAll(async () => {
    site = await serve({}, {}, folder);
    browser = await open(CHROMIUM);
    page = await browser.newPage();
    page.on("request", (request) => requested.push(request.url()));
    page.on("console", (message) => messages.push(`${page.url()}: ${message.text()}`));
    page.on("pageerror", (error) => messages.push(`${page.url()}: ${(error as Error).message}`));
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  async function show(file: string): Promise<void> {
    await page.goto(`${site.origin}/${file}`);
    await page.waitForSelector("#tsd-nav-container a");
  }

  /** The rules that a part of the page breaks, each with its element. */
  async function broken(part: string, options: RunOptions): Promise<string[]> {
    const { violations } = await page.evaluate(
      (part, options) => axe.run(part, { ...options, resultTypes: ["violations"], preload: false }),
      part,
      options,
    );
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  }

  describe.each(SHOWN)("%s", (file) => {
    it("is accessible and fits, wide and narrow, light and dark", async () => {
      await page.setViewport(SCREEN);
      await show(file);
      await page.evaluate(axeSource);
      // What is around a document is the same as around README.
      const part = file.startsWith("documents/") ? "[role=main]" : "html";
      for (const viewport of [SCREEN, PHONE]) {
        await page.setViewport(viewport);
        for (const [value, options] of Object.entries(SCHEMES)) {
          await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
          await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)));
          expect(await broken(part, options), `${viewport.width}, ${value}`).toEqual([]);
        }
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(viewport.width);
      }
    });
  });

  it("is dark and light as the system is", async () => {
    await show("index.html");
    const backgrounds: string[] = [];
    for (const value of ["light", "dark"]) {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
      backgrounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    }
    expect(new Set(backgrounds).size).toBe(2);
  });

  it("has a list of its pages, which exist, and opens it on a phone", async () => {
    await page.setViewport(PHONE);
    await show("functions/index.softmax.html");
    await page.click("#tsd-toolbar-menu-trigger");
    await page.waitForSelector("#tsd-nav-container a", { visible: true });
    const addresses = await page.$$eval("#tsd-nav-container a", (links) => links.map((link) => (link as HTMLAnchorElement).href));
    expect(addresses.length).toBeGreaterThan(pages.size - 5);
    expect(addresses.filter((address) => !files.has(address.slice(site.origin.length + 1)))).toEqual([]);
    const closed = await page.$$eval("#tsd-nav-container summary", (groups) =>
      groups.filter(({ parentElement }) => !(parentElement as HTMLDetailsElement).open).map(({ textContent }) => textContent),
    );
    expect(closed).toContain("Types");
  });

  it("finds an option and a word of a document", async () => {
    await page.setViewport(SCREEN);
    await show("index.html");
    for (const [word, name] of [
      ["labelSmoothing", "labelSmoothing"],
      ["perplexity", "perplexity"],
      ["bullmq", "Scale"],
    ]) {
      await page.click("#tsd-search-trigger");
      await page.locator("#tsd-search-input").fill(word);
      await page.waitForFunction(
        (name) =>
          Array.from(document.querySelectorAll("#tsd-search-results li"), ({ textContent }) => textContent?.trim()).some((text) =>
            text?.endsWith(name),
          ),
        {},
        name,
      );
      await page.keyboard.press("Escape");
      await page.waitForFunction(() => !(document.querySelector("#tsd-search") as HTMLDialogElement).open);
    }
  });

  it("copies each block of code", async () => {
    await browser.defaultBrowserContext().overridePermissions(site.origin, ["clipboard-read", "clipboard-sanitized-write"]);
    await show("index.html");
    const code = await page.$$eval("pre > code", (blocks) => blocks.map((block) => (block as HTMLElement).innerText));
    const buttons = await page.$$("pre > button");
    expect(buttons).toHaveLength(code.length);
    await page.bringToFront();
    for (const [k, button] of buttons.entries()) {
      await button.click();
      expect((await page.evaluate(() => navigator.clipboard.readText())).trim()).toBe(code[k]?.trim());
    }
  });

  it("can be read and left by links without JavaScript", async () => {
    const plain = await browser.newPage();
    await plain.setJavaScriptEnabled(false);
    await plain.setViewport(PHONE);
    for (const file of ["index.html", "functions/index.crossEntropy.html"]) {
      await plain.goto(`${site.origin}/${file}`);
      const { text, links, width } = await plain.evaluate(() => ({
        text: document.body.innerText,
        links: Array.from(document.querySelectorAll("noscript a"), (link) => (link as HTMLAnchorElement).checkVisibility()),
        width: document.documentElement.scrollWidth,
      }));
      expect(text).toContain("crossEntropy");
      expect(text).not.toMatch(/Loading|Preparing/);
      expect(links.length).toBeGreaterThan(10);
      expect(links).not.toContain(false);
      expect(width).toBeLessThanOrEqual(PHONE.width);
    }
    await plain.close();
  });

  it("requests nothing from other hosts, and logs nothing", () => {
    expect(requested.filter((address) => !address.startsWith(`${site.origin}/`) && !address.startsWith("data:"))).toEqual([]);
    expect(messages).toEqual([]);
  });
});
