// A suite in each browser.

import { describe } from "vitest";
import { BROWSERS, isInstalled, type KnownBrowser } from "./browsers.js";

/** Makes a suite for each browser. Skips a browser that is not installed, with a warning. */
export function describeIn(what: string, tests: (browser: KnownBrowser) => void): void {
  for (const browser of BROWSERS) {
    const { name, path } = browser;
    const isHere = isInstalled(browser);
    if (!isHere) console.warn(`${what} in ${name}: not tested, as there is no ${path} (Debian: apt-get install chromium firefox-esr)`);
    describe.skipIf(!isHere)(`${what} in ${name}`, () => tests(browser));
  }
}
