// Takes the screenshots of the playground's parts for README, from the built page: at the widths of a screen and a phone, light and dark.
//
//   npx tsx test/browser/screenshots.main.ts

import { fileURLToPath } from "node:url";
import type { Page } from "puppeteer-core";
import { build } from "vite";
import { BROWSERS, open } from "./browsers.js";
import { serve } from "./server.js";

const WIDTHS = [1280, 390];
const SCHEMES = ["light", "dark"];
/** The margin below a part, in pixels. */
const MARGIN = 16;

/** The actions in each part before its screenshot. */
const SCENES: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  see: async (page) => {
    await page.locator(`::-p-aria([name="500"][role="button"])`).click();
  },
  train: async (page) => {
    await page.locator("#train-start:enabled").click();
    await page.waitForFunction(() => Number(document.querySelector("#train-epoch")?.textContent) > 12, { timeout: 60_000 });
    await page.locator("#train-start").click();
    const pad = await page.locator("#train-pad canvas").waitHandle();
    await pad.scrollIntoView();
    const box = await pad.boundingBox();
    if (!box) throw new Error("the pad has no place");
    const at = (x: number, y: number) => [box.x + x * box.width, box.y + y * box.height] as const;
    const stroke: (readonly [number, number])[] = [
      [0.3, 0.28],
      [0.5, 0.2],
      [0.68, 0.32],
      [0.5, 0.48],
      [0.68, 0.62],
      [0.52, 0.8],
      [0.3, 0.74],
    ];
    await page.mouse.move(...at(...stroke[0]));
    await page.mouse.down();
    for (const point of stroke.slice(1)) await page.mouse.move(...at(...point), { steps: 6 });
    await page.mouse.up();
  },
  measure: async (page) => {
    await page.locator("#measure-run").click();
    await page.waitForFunction(() => document.querySelector("#measure-progress")?.textContent?.startsWith("Done"), { timeout: 120_000 });
  },
};

const playground = fileURLToPath(new URL("../../examples/playground/", import.meta.url));
await build({ configFile: `${playground}vite.config.ts`, logLevel: "warn" });
await using site = await serve({});
const browser = await open(BROWSERS[0]);
try {
  const page = await browser.newPage();
  for (const width of WIDTHS) {
    for (const scheme of SCHEMES) {
      await page.setViewport({ width, height: 900 });
      await page.emulateMediaFeatures([
        { name: "prefers-color-scheme", value: scheme },
        { name: "prefers-reduced-motion", value: "reduce" },
      ]);
      await page.goto(`${site.origin}/build/playground/index.html`);
      for (const [part, play] of Object.entries(SCENES)) {
        await play(page);
        const section = await page.locator(`#${part}`).waitHandle();
        await page.mouse.move(0, 0);
        await page.evaluate(() => scrollTo(0, 0));
        const top = await section.evaluate((element) => element.getBoundingClientRect().top + scrollY);
        const { height } = (await section.boundingBox()) ?? { height: 0 };
        await page.screenshot({
          path: `${playground}screenshots/${part}-${width}-${scheme}.png`,
          clip: { x: 0, y: top, width, height: height + MARGIN },
          captureBeyondViewport: true,
        });
      }
    }
  }
} finally {
  await browser.close();
}
