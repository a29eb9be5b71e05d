// The examples of README, docs/*.md and the public docblocks.

import { readdirSync, readFileSync } from "node:fs";

export const root = new URL("..", import.meta.url);
export const read = (path: string) => readFileSync(new URL(path, root), "utf8");

const filesOf = (folder: string, ending: string) =>
  readdirSync(new URL(folder, root))
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`);
/** README and the documents. */
const documents = ["README.md", ...filesOf("docs", ".md")];
/** The sources of the public docblocks. */
const sources = [
  ...filesOf("src/functions", ".ts"),
  ...filesOf("src/layers", ".ts"),
  ...filesOf("src/decode", ".ts"),
  ...filesOf("src/linear", ".ts"),
];

/** The blocks of code of a language in the documents, each with its document. */
const blocksOf = (language: string) =>
  documents.flatMap((path) =>
    Array.from(read(path).matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g")), ([, block]) => [path, block]),
  );

/** Examples in documents. */
export const inDocuments = blocksOf("ts");
/** Modules in documents: files of configuration, and code that bundlers know. */
export const modulesInDocuments = blocksOf("js");
/** The files of a program in documents; the first line of each names it. */
export const filesInDocuments = blocksOf("tsx");
/** Examples in docblocks. */
export const inDocblocks = sources.flatMap((path) =>
  Array.from(read(path).matchAll(/@example\n([\s\S]*?)\n \*\//g), ([, example]) => [path, example.replace(/^ \* ?/gm, "")]),
);
