// The built playground. The tests use each part by mouse and keys, as people do, and compare its numbers with the oracle.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { AxeResults } from "axe-core";
import type { Browser, ElementHandle, Page } from "puppeteer-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LIMITS } from "../../reference/limits.js";
import { type Exact, exact, exactBackward, exactGradient, exactLoss, exactRow, ulpError } from "../../reference/oracle.js";
import * as library from "../../src/index.js";
import * as linear from "../../src/linear.js";
import { complaintsOf, open } from "./browsers.js";
import { describeIn } from "./describe-in.js";
import { type Site, serve } from "./server.js";

declare const axe: { run(): Promise<AxeResults> };

const ADDRESS = "/build/playground/index.html";
const PHONE = { width: 390, height: 844 };
const SCREEN = { width: 1280, height: 900 };

/** The digits from 0 to 9, each drawn in one stroke: points in shares of the pad's width and height. */
const DRAWINGS: readonly (readonly (readonly [x: number, y: number])[])[] = [
  "50,15 33,25 28,50 34,76 50,85 66,76 72,50 67,25 50,15",
  "52,15 50,85",
  "31,32 38,20 52,16 66,24 68,38 55,57 30,82 72,82",
  "30,24 44,15 60,19 66,32 58,45 46,49 62,53 70,67 62,81 46,85 30,78",
  "34,16 28,56 74,56 64,56 66,24 64,88",
  "70,17 36,17 33,46 48,42 64,48 70,63 62,79 46,84 30,76",
  "62,15 42,35 33,60 35,78 50,86 66,78 68,64 56,54 40,58 34,68",
  "28,18 72,18 56,48 45,85",
  "50,50 36,42 34,28 48,16 62,22 66,36 50,50 34,60 32,76 50,87 68,78 66,60 50,50",
  "68,34 58,18 40,18 32,32 40,50 58,50 68,34 67,55 60,86",
].map((drawing) => drawing.split(" ").map((point) => point.split(",").map((share) => Number(share) / 100) as [number, number]));

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const configFile = fileURLToPath(new URL("../../examples/playground/vite.config.ts", import.meta.url));

/** The number in a text of the page. */
const parsed = (text: string) => Number(text.replaceAll("−", "-").replace("∞", "Infinity"));

const built = build({ configFile, logLevel: "error" });

describeIn("the playground", (browserHere) => {
  let browser: Browser;
  let site: Site;
  let page: Page;
  let complaints: string[];
  const requested: string[] = [];

  beforeAll(async () => {
    await built;
    site = await serve({});
    browser = await open(browserHere);
    page = await browser.newPage();
    complaints = complaintsOf(page);
    page.on("request", (request) => requested.push(request.url()));
    await page.setViewport(SCREEN);
    await page.goto(site.origin + ADDRESS);
    await page.waitForSelector("#train-start:enabled");
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  const textOf = (selector: string) => page.$eval(selector, (element) => element.textContent ?? "");
  const numberOf = async (selector: string) => parsed(await textOf(selector));

  async function found(selector: string): Promise<ElementHandle<HTMLElement>> {
    return (await page.waitForSelector(selector)) as ElementHandle<HTMLElement>;
  }

  /** Drags the mouse through points of an element, in shares of its width and height. */
  async function drag(selector: string, points: readonly (readonly [x: number, y: number])[]): Promise<void> {
    const element = await found(selector);
    await element.evaluate((it) => it.scrollIntoView({ block: "center", behavior: "instant" }));
    const box = await element.boundingBox();
    if (!box) throw new Error(`${selector} is not shown`);
    const at = ([x, y]: readonly [number, number]) => [box.x + x * box.width, box.y + y * box.height] as const;
    await page.mouse.move(...at(points[0]));
    await page.mouse.down();
    for (const point of points.slice(1)) await page.mouse.move(...at(point));
    await page.mouse.up();
  }

  /** A table's columns of numbers, without the names of its rows. */
  async function columnsOf(table: string): Promise<number[][]> {
    const rows = await page.$$eval(`${table} tbody tr`, (lines) =>
      lines.map((line) => Array.from(line.querySelectorAll("td"), (cell) => cell.textContent ?? "")),
    );
    return [0, 1].map((column) => rows.map((row) => parsed(row[column])));
  }

  function expectNear(got: readonly number[], want: readonly Exact[], ulps: number): void {
    expect(got).toHaveLength(want.length);
    for (const [j, value] of got.entries())
      expect(ulpError(value, want[j]), `${value}, exactly ${want[j].toNumber()}`).toBeLessThanOrEqual(ulps);
  }

  describe("See", () => {
    const inputs = (selector: string) =>
      page.$$eval(selector, (all) => (all as HTMLInputElement[]).map(({ valueAsNumber, checked }) => ({ value: valueAsNumber, checked })));

    /** The values of the controls. */
    async function controls() {
      const logits = (await inputs("#see-logits input[type=number]")).map(({ value }) => value);
      const label = (await inputs("#see-logits input[type=radio]")).findIndex(({ checked }) => checked);
      const [{ value: temperature }] = await inputs("#see-temperature-number");
      return { logits, label, temperature };
    }

    /** Compares the results of the row on the page with the oracle; returns those of naive code. */
    async function expectTruth() {
      const { logits, label, temperature } = await controls();
      const row = exactRow(logits.map((logit) => logit / temperature));
      const [probs, naiveProbs] = await columnsOf("#see-probs");
      const [gradient, naiveGradient] = await columnsOf("#see-gradient");
      expectNear(probs, row.probs, LIMITS.probs);
      expectNear(
        gradient,
        exactGradient(row, label).map((value) => value.div(exact(temperature))),
        LIMITS.gradient,
      );
      expectNear([await numberOf("#see-loss")], [exactLoss(row, label)], LIMITS.loss);
      return { logits, label, naiveProbs, naiveGradient, naiveLoss: await numberOf("#see-naive-loss") };
    }

    const press = (name: string) =>
      page.$$eval("#see-presets button", (buttons, wanted) => buttons.find(({ textContent }) => textContent === wanted)?.click(), name);

    /** Writes logits into their fields. */
    async function write(logits: readonly number[]): Promise<void> {
      for (const [j, logit] of logits.entries()) {
        await (await found(`#see-logits .logit:nth-child(${j + 1}) input[type=number]`)).click({ count: 3 });
        await page.keyboard.type(String(logit));
      }
    }

    it("follows a slider that is dragged", async () => {
      const before = await expectTruth();
      await drag("#see-logit-1", [
        [0.44, 0.5],
        [0.9, 0.5],
      ]);
      const after = await expectTruth();
      expect(after.logits[0]).toBeGreaterThan(before.logits[0] + 5);
      expect(after.logits.slice(1)).toEqual(before.logits.slice(1));
    });

    it("follows keys, numbers and the temperature", async () => {
      await press("Ordinary");
      await (await found("#see-logit-2")).focus();
      await page.keyboard.press("ArrowRight");
      expect((await expectTruth()).logits).toEqual([-1.2, 1.7, 0.9]);
      await write([-20.5]);
      expect((await expectTruth()).logits).toEqual([-20.5, 1.7, 0.9]);
      await (await found("#see-temperature-number")).click({ count: 3 });
      await page.keyboard.type("0.25");
      await expectTruth();
      expect(await page.$eval("#see-temperature", (input) => (input as HTMLInputElement).value)).not.toBe("1");
    });

    it("takes the label that is picked, and draws arrows towards its target", async () => {
      await press("Ordinary");
      for (const label of [0, 2]) {
        await (await found(`#see-logits .logit:nth-child(${label + 1}) input[type=radio]`)).click();
        expect((await expectTruth()).label).toBe(label);
        expect(await textOf("#see-bars")).toContain(`label ${label + 1}`);
      }
      // Arrows show the direction of descent: to the right for the label, to the left for the other classes.
      const [probs] = await columnsOf("#see-probs");
      const arrows = await page.$$eval('#see-bars [aria-label="arrow"] path', (paths) => paths.map((path) => path.getAttribute("d")));
      const directions = arrows.map((path) => {
        const [from, to] = [...(path ?? "").matchAll(/[ML](-?[\d.]+),/g)].map(([, x]) => Number(x));
        return Math.sign(to - from);
      });
      expect(directions).toEqual([-1, -1, 1]);
      const widths = await page.$$eval('#see-bars [aria-label="bar"] :is(rect, path)', (bars) =>
        bars.map((bar) => (bar as SVGGraphicsElement).getBBox().width),
      );
      for (const [j, width] of widths.entries()) expect(width / widths[1]).toBeCloseTo(probs[j] / probs[1], 2);
    });

    it("shows an element of the Jacobian for the cell under the pointer or with the focus", async () => {
      await press("Ordinary");
      const [probs] = await columnsOf("#see-probs");
      const jacobian = probs.map((_, i) =>
        exactBackward(
          probs,
          probs.map((_, k) => Number(k === i)),
        ),
      );
      const told = async () => {
        const [, i, j, value] = /∂p(.)\/∂x(.) = (.*)/.exec(await textOf("#see-jacobian-value")) ?? [];
        const [row, column] = [i, j].map((digit) => "₁₂₃".indexOf(digit));
        expectNear([parsed(value)], [jacobian[row][column]], LIMITS.backward);
        return [row, column];
      };
      const cell = (row: number, column: number) => `.jacobian tbody tr:nth-child(${row + 1}) td:nth-of-type(${column + 1})`;
      await (await found(cell(0, 1))).hover();
      expect(await told()).toEqual([0, 1]);
      await (await found(cell(1, 1))).focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowRight");
      expect(await told()).toEqual([2, 2]);
      await page.keyboard.press("Home");
      expect(await told()).toEqual([2, 0]);
    });

    it.each([
      ["500", "exp(1000) is ∞, and ∞ / ∞ is NaN."],
      ["−500", "exp(−1000) is 0, as are all the others, and 0 / 0 is NaN."],
    ])("shows that naive code gives NaN for %s", async (preset, why) => {
      await press(preset);
      const { naiveProbs, naiveGradient, naiveLoss } = await expectTruth();
      expect([...naiveProbs, ...naiveGradient, naiveLoss].every(Number.isNaN)).toBe(true);
      expect(await textOf("#see-why")).toBe(why);
      expect(await page.$$eval("#see .wrong", (wrong) => wrong.map(({ textContent }) => textContent))).toEqual(Array(9).fill("NaN"));
    });

    it("shows that naive code gives NaN and 0 for 500 beside −500, and loses the digits of a confident row", async () => {
      await press("500 and −500");
      const { naiveLoss, naiveGradient } = await expectTruth();
      expect(naiveLoss).toBeNaN();
      expect(naiveGradient[0]).toBe(0);
      await press("Confident");
      expect((await expectTruth()).naiveLoss).toBe(0);
      expect(await textOf("#see-why")).toContain("The digits of loss and gradient are lost");
    });

    it.each([
      [[709.5, 709.5, 0], "The sum of all exp is ∞, which makes every p 0, and 0 · log 0 is NaN."],
      [[-800, 0, 0], "A p is rounded to 0, and 0 · log 0 is NaN."],
      [[0, -800, 0], "p of the label is rounded to 0, and −log 0 is ∞."],
      [[-744.6, -744.9, -745], "Here some numbers have no right digit. exp(−744.6) has few digits, as all numbers below 10⁻³⁰⁸."],
      [[1, 2, 3], "Here it is right, but for last digits."],
      [[0, 24, 0], "Here every number has 6 right digits or more."],
    ])("explains the naive results of %j", async (logits, why) => {
      await press("Ordinary");
      await write(logits);
      await expectTruth();
      expect(await textOf("#see-why")).toBe(why);
    });

    /** The results of the page's code. */
    async function run() {
      const code = (await textOf("#see-code")).replace(/^import (.*) from "softmax-wasm";/, "const $1 = library;");
      const { p, loss, gradient } = new Function("library", `${code}\nreturn { p, loss, gradient, jacobian };`)(library);
      return { p: Array.from<number>(p), loss, gradient: Array.from<number>(gradient) };
    }

    async function expectResultsOfCode() {
      const { p, loss, gradient } = await run();
      const round = (await textOf("#see-code")).includes("Float32Array") ? Math.fround : (value: number) => value;
      const [probs, naiveProbs] = await columnsOf("#see-probs");
      const [shown, naiveGradient] = await columnsOf("#see-gradient");
      expect(probs.map(round)).toEqual(p);
      expect(shown.map(round)).toEqual(gradient);
      expect(await numberOf("#see-loss")).toBe(loss);
      return { p, loss, gradient, naiveProbs, naiveGradient };
    }

    const pressed = () =>
      page.$$eval("#see-presets button", (buttons) =>
        buttons.filter(({ ariaPressed }) => ariaPressed === "true").map(({ textContent }) => textContent),
      );

    it("shows the code of each preset, which is pressed until something is changed", async () => {
      const presets = await page.$$eval("#see-presets button", (buttons) => buttons.map(({ textContent }) => textContent ?? ""));
      for (const preset of presets) {
        await press(preset);
        await expectResultsOfCode();
        expect(await pressed()).toEqual([preset]);
      }
      await write([1.5]);
      expect(await pressed()).toEqual([]);
    });

    it("follows the options, and naive code does", async () => {
      await press("Ordinary");
      await (await found("#see summary")).click();
      await (await found("#see-smoothing")).focus();
      await page.keyboard.press("ArrowRight");
      await (await found("#see-softcap")).click();
      await page.keyboard.type("2");
      await (await found("#see-classes tr:nth-child(1) input[type=number]")).click({ count: 3 });
      await page.keyboard.type("3");
      await (await found("#see-classes tr:nth-child(3) input[type=checkbox]")).click();
      expect(await textOf("#see-code")).toContain(
        '{ softcap: 2, mask: [1, 1, 0], labelSmoothing: 0.05, weights: [3, 1, 1], reduction: "sum" }',
      );
      const { p, gradient, loss, naiveProbs, naiveGradient } = await expectResultsOfCode();
      for (const [got, want] of [[naiveProbs, p] as const, [naiveGradient, gradient] as const])
        for (const [j, value] of got.entries()) expect(value).toBeCloseTo(want[j], 14);
      expect(await numberOf("#see-naive-loss")).toBeCloseTo(loss, 14);
      await (await found("#see-float32")).click();
      await expectResultsOfCode();
      expect(await textOf("#see-code")).toContain("Float32Array.of(-1.2, 1.6, 0.9)");
      // One class takes part at least.
      for (const j of [1, 2]) await (await found(`#see-classes tr:nth-child(${j}) input[type=checkbox]`)).click();
      expect(await textOf("#see-code")).toContain("mask: [0, 1, 0]");
    });

    it("has a link that restores it, and copies its code", async () => {
      const code = await textOf("#see-code");
      const other = await browser.newPage();
      const complaintsThere = complaintsOf(other);
      const address = await page.$eval("#see-link", (link) => (link as HTMLAnchorElement).href);
      await other.goto(address);
      expect(await other.$eval("#see-code", ({ textContent }) => textContent)).toBe(code);
      await other.goto(address.replace(/logits=[^&]*/, "logits=1,x,3"));
      expect(await other.$eval("#see-code", ({ textContent }) => textContent)).toContain("[-1.2, 1.6, 0.9]");
      expect(complaintsThere).toEqual([]);
      await other.close();
      await page.bringToFront();
      await (await found('[data-copies="see-code"]')).click();
      await page.waitForFunction(() => document.querySelector('[data-copies="see-code"]')?.textContent === "Copied");
    });

    it("marks the digits of naive results that differ", async () => {
      await press("Ties");
      await write([2.3]);
      const pairs = await page.$$eval("#see .numbers tbody tr:has(td:nth-child(3))", (rows) =>
        rows.map((row) => {
          const [truth, naive] = Array.from(row.querySelectorAll("td"), ({ textContent }) => textContent ?? "");
          return { truth, naive, marked: row.querySelector("td:last-child .differs")?.textContent ?? "" };
        }),
      );
      expect(pairs.some(({ marked }) => marked !== "")).toBe(true);
      for (const { truth, naive, marked } of pairs) {
        expect(marked === "").toBe(truth === naive);
        if (!marked) continue;
        const same = naive.split("e")[0].length - marked.length;
        expect(truth.slice(0, same)).toBe(naive.slice(0, same));
        // Where the digits of naive code end early, the last one is marked.
        if (!truth.startsWith(naive)) expect(naive[same]).not.toBe(truth[same]);
      }
    });

    it("keeps its results while a field is empty", async () => {
      await press("Ordinary");
      const loss = await textOf("#see-loss");
      await (await found("#see-logits .logit:nth-child(2) input[type=number]")).click({ count: 3 });
      await page.keyboard.press("Backspace");
      expect(await page.$$eval("#see :invalid:not(fieldset)", (invalid) => invalid.length)).toBe(1);
      expect(await textOf("#see-loss")).toBe(loss);
    });

    it("has two to ten classes", async () => {
      await press("Ordinary");
      for (let classes = 4; classes <= 10; classes++) await (await found("#see-more")).click();
      expect((await expectTruth()).logits).toHaveLength(10);
      expect(await page.$("#see-more:disabled")).not.toBeNull();
      for (let classes = 9; classes >= 2; classes--) await (await found("#see-fewer")).click();
      expect((await expectTruth()).logits).toHaveLength(2);
      expect(await page.$("#see-fewer:disabled")).not.toBeNull();
    });
  });

  describe("Train", () => {
    /** Compares p of the drawing with the oracle; returns p. */
    async function reading(): Promise<number[]> {
      const [logits, probs] = await columnsOf("#train-probs");
      expectNear(probs, exactRow(logits).probs, LIMITS.probs);
      expect(probs.reduce((sum, p) => sum + p)).toBeCloseTo(1, 14);
      return probs;
    }

    const hasReached = (id: string, least: number) =>
      page.waitForFunction((name, value) => Number.parseFloat(document.querySelector(name)?.textContent ?? "") >= value, {}, id, least);

    it("shows a recorded training, marked as such, and reads by its network", async () => {
      expect(await textOf("#train-recorded")).toMatch(/^Recorded when this page was built: .+, Node \d+\./);
      expect(Number.parseFloat(await textOf("#train-accuracy"))).toBeGreaterThan(94);
      expect(await textOf("#train-answer")).toMatch(/^Read as (\d), p = [\d.]+\. It is a \1\.$/);
      await reading();
    });

    it("learns to read 95 % of the test digits in less than 10 s, and draws its progress", async () => {
      await (await found("#train-reset")).click();
      await page.waitForFunction(() => document.querySelector("#train-step")?.textContent === "0");
      expect(await textOf("#train-accuracy")).toBe("12.5 %");
      expect(await page.$("#train-recorded[hidden]")).not.toBeNull();
      // Three clicks on Start must leave one loop running: it has four points an epoch.
      await page.$eval("#train-start", (button) => {
        for (let click = 0; click < 3; click++) (button as HTMLButtonElement).click();
      });
      await hasReached("#train-accuracy", 95);
      expect(Number.parseFloat(await textOf("#train-seconds"))).toBeLessThan(10);
      await hasReached("#train-epoch", 8);
      expect(await textOf("#train-start")).toBe("Pause");
      await (await found("#train-start")).click();
      expect(Number.parseFloat(await textOf("#train-accuracy"))).toBeGreaterThan(94);
      expect(await numberOf("#train-loss")).toBeLessThan(0.35);
      const [losses, accuracies] = await page.$$eval('#train .curves [aria-label="line"] path', (paths) =>
        paths.map((path) => path.getAttribute("d")?.match(/[ML]/g)?.length ?? 0),
      );
      expect(losses).toBeGreaterThanOrEqual(32);
      expect(accuracies).toBe(losses + 1);
      const images = await page.$$eval("#train-units canvas", (canvases) =>
        canvases.map((canvas) => (canvas as HTMLCanvasElement).toDataURL()),
      );
      expect(new Set(images).size).toBe(128);
    });

    it("reads digits drawn by mouse", async () => {
      const answers: string[] = [];
      for (const points of DRAWINGS) {
        await drag("#train-pad canvas", points);
        const probs = await reading();
        const [, read] = /^Read as (\d), p = [\d.]+\.$/.exec(await textOf("#train-answer")) ?? [];
        expect(probs.indexOf(Math.max(...probs))).toBe(Number(read));
        answers.push(read);
        await (await found("#train-clear")).click();
        expect(await textOf("#train-answer")).toBe("Nothing is drawn.");
      }
      const wrong = answers.filter((read, digit) => read !== String(digit));
      expect(wrong.length, `read as ${answers}`).toBeLessThanOrEqual(1);
    });

    it("reads a digit drawn by keys", async () => {
      await (await found("#train-pad")).focus();
      await page.keyboard.press(" ");
      for (let step = 0; step < 16; step++) await page.keyboard.press("ArrowDown");
      await page.keyboard.press(" ");
      const probs = await reading();
      expect(probs.indexOf(Math.max(...probs))).toBe(1);
      await page.keyboard.press("Delete");
      expect(await textOf("#train-answer")).toBe("Nothing is drawn.");
    });

    it("shows test digits, and starts again after Reset", async () => {
      let right = 0;
      for (let digit = 0; digit < 20; digit++) {
        await (await found("#train-example")).click();
        const probs = await reading();
        const [, read, truth] = /^Read as (\d), p = .*\. It is a (\d)\.$/.exec(await textOf("#train-answer")) ?? [];
        expect(probs.indexOf(Math.max(...probs))).toBe(Number(read));
        right += Number(read === truth);
      }
      expect(right).toBeGreaterThan(17);
      await (await found("#train-reset")).click();
      await page.waitForFunction(() => document.querySelector("#train-step")?.textContent === "0");
      expect(await textOf("#train-answer")).toMatch(/^Not trained yet\. It is a \d\.$/);
      await reading();
    });
  });

  describe("Measure", () => {
    it("shows recorded times, marked as such", async () => {
      expect(await textOf("#measure-progress")).toMatch(/^Recorded when this page was built: .+, Node \d+\./);
      const charts = await page.$$eval("#measure-charts .chart", (all) => all.map(({ ariaLabel }) => ariaLabel ?? ""));
      for (const chart of charts) expect(chart).toMatch(/plain [\d.]+; copying [\d.]+; resident [\d.]+; float32 [\d.]+/);
    });

    it("times this browser, and draws the times while it runs", async () => {
      await (await found("#measure-run")).click();
      await page.waitForFunction(() => {
        const [first, ...others] = Array.from(document.querySelectorAll("#measure-charts .chart"), ({ ariaLabel }) => ariaLabel ?? "");
        return !first.includes("not measured") && others.every((other) => other.includes("not measured"));
      });
      expect(await page.$$eval('#measure-charts [aria-label="bar"] rect', (bars) => bars.length)).toBe(4);
      await page.waitForFunction(() => document.querySelector("#measure-progress")?.textContent?.startsWith("Done"), { timeout: 120_000 });
      expect(await textOf("#measure-progress")).toContain("All results agreed");
      const charts = await page.$$eval("#measure-charts .chart", (charts) => charts.map(({ ariaLabel }) => ariaLabel ?? ""));
      expect(charts).toHaveLength(3);
      const ratios = await page.$$eval("#measure-charts .ratio", (lines) => lines.map(({ textContent }) => textContent ?? ""));
      for (const [k, chart] of charts.entries()) {
        const [plain, copying, resident, float32] = [...chart.matchAll(/(?:plain|copying|resident|float32) (\d+\.\d+)/g)].map(([, ns]) =>
          Number(ns),
        );
        const [ofResident, ofCopying, ofFloat32] = [...ratios[k].matchAll(/(\d+\.\d+)×/g)].map(([, ratio]) => Number(ratio));
        expect(plain).toBeGreaterThan(0);
        expect(ofResident).toBeCloseTo(plain / resident, 0);
        expect(ofCopying).toBeCloseTo(plain / copying, 0);
        // The times are shown with one digit fewer.
        expect(Math.abs(ofFloat32 - plain / float32) / ofFloat32).toBeLessThan(0.1);
        expect(resident).toBeLessThan(plain);
      }
    }, 150_000);

    it("can be stopped", async () => {
      await (await found("#measure-run")).click();
      await page.waitForFunction(() => document.querySelector("#measure-run")?.textContent === "Stop");
      await (await found("#measure-run")).click();
      await page.waitForFunction(() => document.querySelector("#measure-progress")?.textContent === "Stopped.");
      expect(await textOf("#measure-run")).toBe("Run");
    });
  });

  it("shows code of Train and Measure that runs", async () => {
    const [rows, pixels] = [50, 784];
    const given = {
      pixels: new Float32Array(rows * pixels).fill(0.1),
      hidden: { weights: new Float32Array(128 * pixels).fill(0.01), bias: new Float32Array(128) },
      logits: new Float32Array(1024 * 1000),
    };
    for (const [id, labels, gradient] of [["train", rows, "weightsGradient"] as const, ["measure", 1024, "gradient"] as const]) {
      const code = (await textOf(`#${id}-code`)).replace(/^import (.*) from .*;/, "const $1 = library;");
      const run = new Function(
        "library",
        "given",
        `const { pixels, hidden, logits, labels } = given; ${code}\nreturn [loss, ${gradient}];`,
      );
      const [loss, result] = run({ ...library, ...linear }, { ...given, labels: new Int32Array(labels) });
      expect(loss).toBeCloseTo(Math.log(id === "train" ? 10 : 1000), 6);
      expect(result).toHaveLength(id === "train" ? 128 * pixels : 1024 * 1000);
    }
  });

  it("fits every width, and its navigation stays in view", async () => {
    for (const width of [PHONE.width, 120, 900, 1600]) {
      await page.setViewport({ ...PHONE, width });
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      if (width < PHONE.width) continue;
      const beyond = await page.$$eval(
        "body *",
        (all, most) => all.filter((it) => it.getBoundingClientRect().right > most + 0.5).map(({ outerHTML }) => outerHTML.slice(0, 100)),
        width,
      );
      expect(beyond).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    }
    await page.setViewport(PHONE);
    for (let preset = 0; preset < 7; preset++) {
      const over = await page.evaluate((k) => {
        document.querySelectorAll<HTMLElement>("#see-presets button")[k].click();
        for (let classes = 0; classes < 10; classes++) document.querySelector<HTMLElement>("#see-more")?.click();
        return [...document.querySelectorAll("#see :is(td, th, dd, output)")]
          .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
          .map(({ outerHTML }) => outerHTML);
      }, preset);
      expect(over).toEqual([]);
    }
    await page.$eval("#measure", (part) => part.scrollIntoView({ behavior: "instant" }));
    expect(await page.$eval("nav", (nav) => nav.getBoundingClientRect().top)).toBe(0);
    await page.setViewport(SCREEN);
  });

  // Puppeteer cannot set the colour scheme of Firefox.
  it.each(browserHere.name === "Chromium" ? ["light", "dark"] : ["light"])("is accessible in %s", async (scheme) => {
    if (browserHere.name === "Chromium") await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.evaluate(axeSource);
    const { violations, passes } = await page.evaluate(() => axe.run());
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    expect(passes.map(({ id }) => id)).toContain("color-contrast");
  });

  it("requests nothing from other hosts, and logs no warning or error", () => {
    expect(requested.filter((address) => !address.startsWith(`${site.origin}/`) && !address.startsWith("data:"))).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
