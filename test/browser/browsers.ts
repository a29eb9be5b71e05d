// Debian's browsers, where they are installed.

import { existsSync } from "node:fs";
import { type Browser, launch, type Page } from "puppeteer-core";

export interface KnownBrowser {
  readonly name: "Chromium" | "Firefox";
  readonly path: string;
}

export const BROWSERS: readonly KnownBrowser[] = [
  { name: "Chromium", path: "/usr/bin/chromium" },
  { name: "Firefox", path: "/usr/bin/firefox-esr" },
];

export const isInstalled = ({ path }: KnownBrowser) => existsSync(path);

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

export function open({ name, path }: KnownBrowser): Promise<Browser> {
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
