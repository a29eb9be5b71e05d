// The browsers of Debian, and how a test opens them.

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

/** Flags that keep Chromium off the internet and let it run as root. */
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

/** An array that gets the warnings and errors of a page from now on. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["warn", "error"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push((error as Error).message));
  return complaints;
}
