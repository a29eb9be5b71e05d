// Debian's browsers, where they are installed.

import { existsSync } from "node:fs";
import { type Browser, launch, type Page } from "puppeteer-core";
import { describe } from "vitest";

interface Installed {
  readonly name: "Chromium" | "Firefox";
  readonly path: string;
}

const BROWSERS: readonly Installed[] = [
  { name: "Chromium", path: "/usr/bin/chromium" },
  { name: "Firefox", path: "/usr/bin/firefox-esr" },
];

/** A suite for each browser; one that is not installed is skipped, and that is said. */
export function describeIn(what: string, tests: (browser: Installed) => void): void {
  for (const browser of BROWSERS) {
    const { name, path } = browser;
    const isHere = existsSync(path);
    if (!isHere) console.warn(`${what} in ${name}: not tested, as there is no ${path} (Debian: apt-get install chromium firefox-esr)`);
    describe.skipIf(!isHere)(`${what} in ${name}`, () => tests(browser));
  }
}

/** What keeps Chromium from asking the internet, and lets it run as root. */
const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function open({ name, path }: Installed): Promise<Browser> {
  return name === "Chromium"
    ? launch({ browser: "chrome", executablePath: path, args: CHROMIUM_FLAGS })
    : launch({ browser: "firefox", executablePath: path, extraPrefsFirefox: { "app.update.enabled": false } });
}

/** A page's warnings and errors, from now on. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["warn", "error"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push((error as Error).message));
  return complaints;
}
