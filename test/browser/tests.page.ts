// The tests that do not need Node, in a page.

import { run } from "./vitest.page.js";

const FILES = {
  "cross-entropy": () => import("../cross-entropy.test.js"),
  errors: () => import("../errors.test.js"),
  functions: () => import("../functions.test.js"),
  layers: () => import("../layers.test.js"),
  "loss-options": () => import("../loss-options.test.js"),
};

const tests = { run: (name: string) => run({ [name]: FILES[name as keyof typeof FILES] }) };
export type TestsPage = typeof tests;

Object.assign(globalThis, { tests });
