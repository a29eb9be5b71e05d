// README without what has no address on npm: pictures and links that are relative. npm packs README.md and no other file, so prepack writes
// the published text there and postpack brings the original back:
//   tsx scripts/published-readme.ts write
//   tsx scripts/published-readme.ts restore

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Fenced blocks and spans of code, which stay as they are. */
const CODE = /^```[\s\S]*?^```|`[^`\n]+`/gm;
/** No relative address begins like this: with a scheme, or with the place in README that it is for. */
const ABSOLUTE = "(?:[a-z][a-z+.-]*:|#)";

const PICTURE = new RegExp(`!\\[[^\\]]*\\]\\((?!${ABSOLUTE})[^)]*\\)`, "g");
const HTML_PICTURE = new RegExp(`<(?:img|source)\\b[^>]* (?:src|srcset)="(?!${ABSOLUTE})[^>]*>`, "g");
const LINK = new RegExp(`\\[([^\\][]*)\\]\\((?!${ABSOLUTE})[^)]*\\)`, "g");
const HTML_LINK = new RegExp(`<a\\b[^>]* href="(?!${ABSOLUTE})[^>]*>([\\s\\S]*?)</a>`, "g");
const EMPTY_ELEMENT = /<(picture|p|div|a)\b[^>]*>\s*<\/\1>/g;

/** README as npm shows it: relative pictures are left out, relative links are their text. */
export function publishedReadme(readme: string): string {
  const code: string[] = [];
  return (
    readme
      // A character of private use stands for each piece of code.
      .replace(CODE, (piece) => {
        code.push(piece);
        return "\uE000";
      })
      .replace(PICTURE, "")
      .replace(HTML_PICTURE, "")
      .replace(LINK, "$1")
      .replace(HTML_LINK, "$1")
      .replace(EMPTY_ELEMENT, "")
      .replace(EMPTY_ELEMENT, "")
      .replace(/\n{3,}/g, "\n\n")
      .replace(/\uE000/g, () => code.shift() as string)
  );
}

const readme = fileURLToPath(new URL("../README.md", import.meta.url));
const original = fileURLToPath(new URL("../original-README.md", import.meta.url));

const commands: Readonly<Record<string, () => void>> = {
  write() {
    if (existsSync(original))
      throw new Error("original-README.md is there since npm pack was stopped: tsx scripts/published-readme.ts restore");
    const text = readFileSync(readme, "utf8");
    writeFileSync(original, text);
    writeFileSync(readme, publishedReadme(text));
  },
  restore() {
    if (existsSync(original)) renameSync(original, readme);
  },
};

if (process.argv[1] === fileURLToPath(import.meta.url)) commands[process.argv[2]]();
