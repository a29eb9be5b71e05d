// The recipe of a component in React, whose worker trains: its files as the page shows them, built by Vite.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { expect, it } from "vitest";
import { filesInDocuments, read, root } from "../examples.js";
import { complaintsOf, open } from "./browsers.js";
import { describeIn } from "./describe-in.js";
import { serve } from "./server.js";

const folder = new URL("build/pages/recipe/", root);
const [, shown] = /ends with "(.*)"/.exec(read("docs/recipes.md"))!;

const MAIN = `import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Training } from "./training.tsx";

const batch = { input: Float32Array.of(1, 0, 0, 1, 1, 1), labels: Int32Array.of(0, 1, 2), shape: [3, 2], classes: 3 };
createRoot(document.body.firstElementChild).render(<StrictMode><Training batch={batch} /></StrictMode>);
`;

describeIn("the recipe of React and Vite", (browserHere) => {
  it(`shows "${shown}"`, async () => {
    const files = filesInDocuments.map(([, file]) => [/^\/\/ (.*)/.exec(file)![1], file]);
    expect(files.map(([path]) => path)).toEqual(["src/worker.ts", "src/training.tsx"]);
    files.push(["index.html", '<div></div><script type="module" src="src/main.tsx"></script>'], ["src/main.tsx", MAIN]);
    for (const [path, code] of files) {
      const file = fileURLToPath(new URL(path, folder));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, code);
    }
    await build({ root: fileURLToPath(folder), base: "./", logLevel: "error", build: { emptyOutDir: true }, worker: { format: "es" } });
    await using site = await serve({ "/favicon.ico": "" });
    const browser = await open(browserHere);
    try {
      const page = await browser.newPage();
      const complaints = complaintsOf(page);
      await page.goto(`${site.origin}/build/pages/recipe/dist/index.html`);
      await page.waitForFunction(() => document.querySelector("p")?.textContent?.startsWith("step 100"));
      expect(await page.$eval("p", ({ textContent }) => textContent)).toBe(shown);
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
