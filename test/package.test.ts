// The package as its users get it, and what it says of itself.

import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { rollup } from "rollup";
import { describe, expect, it } from "vitest";
import { TEXTS, withText } from "../bench/documents.js";
import { publishedReadme } from "../scripts/published-readme.js";
import { unpack } from "../src/wasm/unpack.js";

const root = new URL("..", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const path = (relative: string) => fileURLToPath(new URL(relative, root));
const dist = readdirSync(new URL("dist", root));
/** A relative address of a picture or a link, in Markdown or HTML. */
const RELATIVE = /(\]\(|\]: |(src|srcset|href)=")(?!(https?:|#))/;

const LINEAR = ["LinearCrossEntropy", "linear", "linearBackward", "linearCrossEntropy", "linearCrossEntropyWithGradient"];

/** Standard output of a script in a fresh process. */
const run = (script: string) =>
  execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: path("."), encoding: "utf8" }).trim();

it.for(Object.entries(TEXTS))("what documents say of records is what these have: %s", ([name, { document, text }]) => {
  const written = read(document);
  expect(withText(written, name, text())).toBe(written);
});

it("every feature that the documents list has a test", () => {
  const [, table] = /<!-- features -->([\s\S]*)<!-- end of features -->/.exec(read("docs/loss.md"))!;
  const rows = table.trim().split("\n").slice(2);
  expect(rows.length).toBeGreaterThan(15);
  const titles = readdirSync(new URL("test", root))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => read(`test/${name}`))
    .join("");
  for (const row of rows) {
    const [feature, here, test] = row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
      .filter((_, i, cells) => i < 2 || i === cells.length - 1);
    expect(here, feature).toBe("yes");
    expect(titles, feature).toMatch(new RegExp(`\\b(it|each\\(\\w+\\))\\("[^"]*${test}`));
  }
});

describe("the package", () => {
  it("is CommonJS for require(), without import.meta", () => {
    const requiring = createRequire(import.meta.url);
    const names = Object.keys(requiring("softmax-wasm")).sort();
    expect(names).toEqual(Object.keys(requiring("softmax-wasm/relaxed")).sort());
    expect([...names, "init"].sort()).toEqual(Object.keys(requiring("softmax-wasm/slim")).sort());
    for (const name of ["core.cjs", "index.cjs", "linear.cjs", "relaxed.cjs", "slim.cjs", "decode.cjs"])
      expect(read(`dist/${name}`), name).not.toMatch(/import\.meta|\brequire\("(?!\.\/core\.cjs")/);
    expect(Object.keys(requiring("softmax-wasm/decode")).sort()).toEqual(["sample", "topK"]);
    expect(Object.keys(requiring("softmax-wasm/linear")).sort()).toEqual(LINEAR);
  });

  it("has a worker in one file of at most 3 kB, which is part of every entry", async () => {
    const { workerSource } = await import("../src/threads/worker.generated.js");
    expect(read("dist/softmax-wasm-worker.js").trim()).toBe(workerSource);
    expect(workerSource.length).toBeLessThan(3000);
    expect(workerSource).not.toMatch(/\bimport\b|\bexport\b/);
  });

  it("imports nothing of Node's", () => {
    const others: Record<string, string[]> = {
      "index.js": ["./core.js"],
      "linear.js": ["./core.js"],
      "workerd.js": ["./core-workerd.js"],
      "core-workerd.js": ["./wasm/softmax.wasm"],
      "decode-workerd.js": ["./wasm/decode.wasm"],
      "linear-workerd.js": ["./core-workerd.js", "./wasm/linear.wasm"],
    };
    for (const name of dist.filter((name) => name.endsWith(".js"))) {
      const imports = Array.from(read(`dist/${name}`).matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g), ([, specifier]) => specifier);
      expect(Array.from(new Set(imports)).sort(), name).toEqual(others[name] ?? []);
    }
  });

  it("is one file an entry, and one that index and linear share", () => {
    const ofEntries = ["index", "slim", "decode", "linear"].flatMap((name) => [
      `${name}.cjs`,
      `${name}.d.cts`,
      `${name}.d.ts`,
      `${name}.js`,
    ]);
    const ofRelaxed = ["relaxed.cjs", "relaxed.js"];
    const ofWorkerd = ["core-workerd.js", "decode-workerd.js", "linear-workerd.js", "workerd.js"];
    const others = ["core.cjs", "core.js", "softmax-wasm-worker.js", "softmax-wasm.min.js", "wasm", "worker.d.ts"];
    expect(dist.sort()).toEqual([...ofEntries, ...ofRelaxed, ...ofWorkerd, ...others].sort());
  });

  it("has the kernels once, and those of relaxed, but none in slim, workerd, decode and linear", async () => {
    const { wasm: release } = await import("../src/wasm/binary.generated.js");
    const { wasm: relaxed } = await import("../src/wasm/binary-relaxed.generated.js");
    const texts = Object.fromEntries(
      dist.filter((name) => /\.c?js$/.test(name)).map((name) => [name, read(`dist/${name}`).match(/(?<=text"?: ?")[^"]{10000,}/g) ?? []]),
    );
    const releaseOf = process.env.BUILD === "release" ? [release.text] : [expect.any(String)];
    expect(texts).toEqual({
      "core-workerd.js": [],
      "core.cjs": releaseOf,
      "core.js": releaseOf,
      "decode-workerd.js": [],
      "decode.cjs": [],
      "decode.js": [],
      "index.cjs": [],
      "index.js": [],
      "linear-workerd.js": [],
      "linear.cjs": [],
      "linear.js": [],
      "relaxed.cjs": [relaxed.text],
      "relaxed.js": [relaxed.text],
      "slim.cjs": [],
      "slim.js": [],
      "softmax-wasm-worker.js": [],
      "softmax-wasm.min.js": releaseOf,
      "workerd.js": [],
    });
  });

  it("has in decode no kernel of another entry", () => {
    for (const name of ["decode.js", "decode.cjs", "decode-workerd.js"]) {
      const modules = Array.from(read(`dist/${name}`).matchAll(/^\/\/ (src\/\S+)$/gm), ([, module]) => module);
      expect(modules).toContain("src/decode/sample.ts");
      const rest = modules.filter((module) => !/^src\/(tensor\/|decode\/|decode\.ts$|errors\.ts$)/.test(module));
      const binary = name === "decode-workerd.js" ? [] : ["compile", "decode.generated", "digits"];
      const memory = ["abi", "addresses", "memory", "node-builtins"];
      const parts = [...binary, ...memory].sort().map((part) => `src/wasm/${part}.ts`);
      expect(rest.sort(), name).toEqual(["src/loss/options.ts", "src/loss/terms.ts", ...parts]);
    }
  });

  it("draws in decode what the sources draw, as a module and as CommonJS", async () => {
    const { sample } = await import("../src/decode.js");
    const requiring = createRequire(import.meta.url);
    const row = Float32Array.from({ length: 10_000 }, (_, j) => ((7919 * j) % 10_007) / 1000);
    const options = [{ seed: 1 }, { seed: 2, topP: 0.9, scale: 2 }, { seed: 3, topK: 50 }];
    const modules: typeof import("../src/decode.js")[] = [
      await import(new URL("dist/decode.js", root).href),
      requiring("softmax-wasm/decode"),
    ];
    for (const entry of modules) for (const given of options) expect(entry.sample(row, given)).toEqual(sample(row, given));
  });

  it("has in linear no module of core", () => {
    for (const name of ["linear.js", "linear.cjs", "linear-workerd.js"]) {
      const modules = Array.from(read(`dist/${name}`).matchAll(/^\/\/ (src\/\S+)$/gm), ([, module]) => module);
      const rest = modules.filter((module) => !/^src\/linear(\/|\.ts$)/.test(module));
      expect(rest, name).toEqual(name === "linear-workerd.js" ? [] : ["src/wasm/digits.ts", "src/wasm/linear.generated.ts"]);
    }
  });

  it("has in linear the bits of the sources, and the totals of the main entry, as a module and as CommonJS", async () => {
    const { linearCrossEntropyWithGradient } = await import("../src/linear.js");
    const requiring = createRequire(import.meta.url);
    const input = Float32Array.from({ length: 60 }, (_, k) => Math.sin(k));
    const weights = Float32Array.from({ length: 24 }, (_, k) => Math.cos(k));
    const labels = Int32Array.from({ length: 15 }, (_, row) => row % 6);
    const options = { shape: [15, 4], bias: [0, 1, 2, 3, 4, 5] };
    const want = linearCrossEntropyWithGradient(input, weights, labels, options);
    const modules: [typeof import("../src/linear.js"), typeof import("../src/index.js")][] = [
      [await import(new URL("dist/linear.js", root).href), await import(new URL("dist/index.js", root).href)],
      [requiring("softmax-wasm/linear"), requiring("softmax-wasm")],
    ];
    for (const [entry, library] of modules) {
      expect(entry.linearCrossEntropyWithGradient(input, weights, labels, options)).toEqual(want);
      const result = entry.linearCrossEntropy(input, weights, labels, { ...options, outputs: ["total"] });
      expect(new library.LossTotal().add(result).loss).toBeCloseTo(want.loss, 12);
      expect(new entry.LinearCrossEntropy({ shape: [1, 4], classes: 6 }).forward()).toBeCloseTo(Math.log(6), 12);
      expect(entry.LinearCrossEntropy.name).toBe("LinearCrossEntropy");
    }
  });

  it("compiles nothing when it is imported", () => {
    const forbid = 'for (const name of ["Module", "Instance", "Memory"]) WebAssembly[name] = () => { throw new Error(name); };';
    expect(run(`${forbid} await import("softmax-wasm"); console.log("imported")`)).toBe("imported");
    expect(run(`${forbid} await import("softmax-wasm/decode"); console.log("imported")`)).toBe("imported");
    expect(run(`${forbid} await import("softmax-wasm/linear"); console.log("imported")`)).toBe("imported");
  });

  // It takes an eighth of it, 3 ms on a fast machine with Node 20; it took 11 ms when dist had 23 files.
  it("is imported in less than a fifth of the time that Node takes to start", () => {
    const time = () => Number(execFileSync(process.execPath, [path("test/import.main.mjs")], { encoding: "utf8" }));
    // A busy machine makes some of the times longer, hardly all.
    expect(Math.min(...Array.from({ length: 10 }, time))).toBeLessThan(0.2);
  });

  it("has the types first, and no type of another package or platform in them", () => {
    const { exports, dependencies } = JSON.parse(read("package.json"));
    for (const name of [".", "./slim", "./decode", "./linear", "./relaxed", "./worker"]) {
      const entry = exports[name];
      for (const conditions of [entry, entry.require, entry.workerd].filter((conditions) => typeof conditions === "object")) {
        const names = Object.keys(conditions).filter((name) => name !== "require" && name !== "workerd");
        expect(names).toEqual(["types", "default"]);
      }
    }
    expect(Object.keys(dependencies)).toEqual(["@assemblyscript/loader"]);
    for (const name of ["index.d.ts", "slim.d.ts", "decode.d.ts", "linear.d.ts", "worker.d.ts"]) {
      expect(read(`dist/${name}`), name).not.toMatch(/(?:from |import\(|types=)['"][^.]/);
    }
    // Library references count before anything else only. slim asks for WebAssembly's types where there are some.
    expect(read("dist/index.d.ts")).toMatch(/^\/\/\/ <reference lib="esnext.disposable"/);
    expect(read("dist/index.d.ts")).not.toMatch(/\bWebAssembly\./);
    // Docblocks are there, and the classes of both entries are the same.
    expect(read("dist/index.d.ts")).toMatch(/ \*\/\ndeclare function softmax</);
    expect(read("dist/slim.d.ts")).toMatch(/\bSoftmax\b.* from '.\/index.js'/);
    expect(read("dist/decode.d.ts")).toMatch(/\bTensor\b.* from '.\/index.js'/);
    expect(read("dist/linear.d.ts")).toMatch(/\bTensor\b.* from '.\/index.js'/);
    expect(read("dist/decode.d.cts")).toMatch(/\bTensor\b.* from '.\/index.cjs'/);
  });

  it("has layers that are called by their names", async () => {
    for (const name of ["index.js", "relaxed.js", "slim.js"]) {
      const library: typeof import("../src/index.js") = await import(new URL(`dist/${name}`, root).href);
      expect([library.Softmax.name, library.SoftmaxCrossEntropy.name], name).toEqual(["Softmax", "SoftmaxCrossEntropy"]);
    }
  });

  it("names the loader's licence wherever the loader is", () => {
    for (const name of dist.filter((name) => /\.c?js$/.test(name) && /^(core|relaxed|slim|softmax-wasm\.min)/.test(name))) {
      expect(read(`dist/${name}`).slice(0, 400), name).toMatch(/Contains @assemblyscript\/loader[\s\S]*Apache-2.0/);
    }
    for (const name of ["softmax-wasm-worker.js", "decode.js", "decode.cjs", "index.js", "linear.js"])
      expect(read(`dist/${name}`)).not.toContain("demangle");
  });

  it("has an entry with relaxed SIMD, which says so where there is none", async () => {
    const { exports } = JSON.parse(read("package.json"));
    const relaxed: typeof import("../src/index.js") = await import(new URL(exports["./relaxed"].default, root).href);
    const library = await import("../src/index.js");
    expect(Object.keys(relaxed).sort()).toEqual(Object.keys(library).sort());
    const { wasm } = await import("../src/wasm/binary-relaxed.generated.js");
    const x = Array.from({ length: 100 }, (_, i) => Math.sin(i) * 20);
    if (WebAssembly.validate(unpack(wasm))) {
      relaxed.softmax(x).forEach((p, j) => {
        expect(p / library.softmax(x)[j]).toBeCloseTo(1, 14);
      });
    } else {
      expect(() => relaxed.softmax(x)).toThrow("expected an engine that has WebAssembly relaxed SIMD");
    }
  });

  it("packs what a user needs, in at most 765 kB", () => {
    const command = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const output = execFileSync("npm", command, { cwd: path("."), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const [{ files, size }] = JSON.parse(output);
    const paths: string[] = files.map((file: { path: string }) => file.path);
    expect(paths.filter((name) => !name.startsWith("dist/")).sort()).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "package.json"]);
    expect(paths.filter((name) => name.startsWith("dist/wasm/")).sort()).toEqual([
      "dist/wasm/decode.wasm",
      "dist/wasm/linear.wasm",
      "dist/wasm/softmax-relaxed.wasm",
      "dist/wasm/softmax.wasm",
    ]);
    // The bytes of the tarball.
    expect(size).toBeLessThan(765_000);
  });

  it("packs a README without relative links and pictures, and leaves README.md as it is", () => {
    // In a copy: other tests read README.md while npm packs.
    const copy = mkdtempSync(join(tmpdir(), "packed-"));
    try {
      const sources = ["assembly", "build/sources.sha256", "dist", "scripts", "src", ".npmrc", "asconfig.json", "tsconfig.json"];
      for (const name of [...sources, "package.json", "package-lock.json", "CHANGELOG.md", "LICENSE", "README.md"]) {
        cpSync(path(name), join(copy, name), { recursive: true, preserveTimestamps: true });
      }
      symlinkSync(path("node_modules"), join(copy, "node_modules"));
      execFileSync("npm", ["pack"], { cwd: copy, stdio: "ignore" });
      const [tarball] = readdirSync(copy).filter((name) => name.endsWith(".tgz"));
      const packed = execFileSync("tar", ["-xOf", tarball, "package/README.md"], { cwd: copy, encoding: "utf8" });
      expect(packed).toBe(publishedReadme(read("README.md")));
      expect(packed).not.toMatch(RELATIVE);
      expect(readFileSync(join(copy, "README.md"), "utf8")).toBe(read("README.md"));
    } finally {
      rmSync(copy, { recursive: true });
    }
  });

  it("exports what it promises", async () => {
    const library = await import("../src/index.js");
    expect(Object.keys(library).sort()).toEqual([
      "CrossEntropyPart",
      "LossTotal",
      "Softmax",
      "SoftmaxCrossEntropy",
      "crossEntropy",
      "crossEntropyHessianDiagonal",
      "crossEntropyHvp",
      "crossEntropyPart",
      "crossEntropyWithGradient",
      "jsDivergence",
      "jsDivergenceWithGradient",
      "klDivergence",
      "klDivergenceWithGradient",
      "logSoftmax",
      "logSoftmaxBackward",
      "logSumExp",
      "nllLoss",
      "nllLossWithGradient",
      "softcap",
      "softcapBackward",
      "softmax",
      "softmaxBackward",
      "softmaxJacobian",
      "softmaxJvp",
    ]);
  });
});

describe("what npm shows of README", () => {
  it.each([
    ["[guide](docs/guide.md) and [place](#place)", "guide and [place](#place)"],
    ["[web](https://example.org/a), [mail](mailto:a@example.org)", "[web](https://example.org/a), [mail](mailto:a@example.org)"],
    ["above\n\n![a picture](docs/a.png)\n\nbelow", "above\n\nbelow"],
    ["![far](https://example.org/a.png)", "![far](https://example.org/a.png)"],
    ['above\n\n<p align="center"><picture><source srcset="a.png"><img src="b.png" alt="b"></picture></p>\n\nbelow', "above\n\nbelow"],
    ['<a href="docs/a.md">a</a> <a href="https://example.org">b</a>', 'a <a href="https://example.org">b</a>'],
    ["`x[i](y)` and [`code`](src/a.ts)", "`x[i](y)` and `code`"],
    ["```js\nlist[0](a.b);\n\n\n```", "```js\nlist[0](a.b);\n\n\n```"],
  ])("of %j is %j", (readme, published) => {
    expect(publishedReadme(readme)).toBe(published);
  });
});

describe("a bundle of softmax alone", () => {
  const LIMIT_BYTES = 39_800;
  const USE = 'export { softmax } from "softmax-wasm";';

  const bundlers = {
    esbuild: async (contents: string) => {
      const options = { bundle: true, format: "esm", minify: true, write: false, logLevel: "error" } as const;
      const { outputFiles } = await build({ stdin: { contents, resolveDir: path(".") }, ...options });
      return outputFiles[0].text;
    },
    Rollup: async (contents: string) => {
      const resolveId = (id: string) => (id === "use" ? id : id === "softmax-wasm" ? path("dist/index.js") : undefined);
      const use = { name: "use", resolveId, load: (id: string) => (id === "use" ? contents : undefined) };
      const result = await rollup({ input: "use", plugins: [use] });
      const { output } = await result.generate({ format: "es" });
      return (await transform(output[0].code, { minify: true })).code;
    },
  };

  it.each(Object.entries(bundlers))("by %s has no layer and no threads, and at most 39.8 kB", async (_, bundled) => {
    const code = await bundled(USE);
    expect(code).not.toMatch(/worker\.js|Atomics|calibration|static\s*\{/);
    expect(gzipSync(code, { level: 9 }).length).toBeLessThan(LIMIT_BYTES);
  });

  it("is nothing where nothing is used", async () => {
    expect(await bundlers.esbuild('import { softmax } from "softmax-wasm";')).toBe("");
  });
});
