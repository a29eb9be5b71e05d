// A web server of files, with the headers that a test wants.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

const project = new URL("../../", import.meta.url);

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".wasm": "application/wasm",
};

/** What makes a page cross-origin isolated: its threads may share memory. */
export const ISOLATED: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export interface Site extends AsyncDisposable {
  readonly origin: string;
}

/** What a server answers for a path: a page with the server's headers, or something else. */
export type Answer = string | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string };

/** Serves a folder's files, and these answers, from a free port. */
export async function serve(
  answers: Readonly<Record<string, Answer>>,
  headers: Readonly<Record<string, string>> = {},
  folder = project,
): Promise<Site> {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url as string, "http://localhost");
    const type = TYPES[extname(pathname)] ?? "application/octet-stream";
    try {
      const answer = answers[pathname] ?? (await readFile(fileURLToPath(new URL(`.${pathname}`, folder))));
      const own = typeof answer === "object" && "status" in answer ? answer : { status: 200, headers, body: answer };
      response.writeHead(own.status, { "Content-Type": type, ...own.headers }).end(own.body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A page of one module script, which a policy may allow by its address alone. */
export const pageFor = (address: string) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>test</title></head><body><script type="module" src="${address}"></script></body></html>`;

/** A page whose modules import the library as it has been built, by its name. */
export function pageOf(script: string): string {
  const imports = { "softmax-wasm": "/dist/index.js" };
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">`,
    `<script type="importmap">${JSON.stringify({ imports })}</script></head>`,
    `<body><script type="module">${script}</script></body></html>`,
  ].join("\n");
}
