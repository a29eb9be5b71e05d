// Suites in browsers.

import { describe } from "vitest";
import { BROWSERS, isInstalled, type KnownBrowser } from "./browsers.js";

/** A suite for each browser; one that is not installed is skipped, and that is said. */
export function describeIn(what: string, tests: (browser: KnownBrowser) => void): void {
  for (const browser of BROWSERS) {
    const { name, path } = browser;
    const isHere = isInstalled(browser);
    if (!isHere) console.warn(`${what} in ${name}: not tested, as there is no ${path} (Debian: apt-get install chromium firefox-esr)`);
    describe.skipIf(!isHere)(`${what} in ${name}`, () => tests(browser));
  }
}
