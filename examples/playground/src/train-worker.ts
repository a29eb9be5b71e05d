// The worker in which the page trains. It answers each request with the progress.

import type { Digits } from "../../mnist/digits.js";
import { type Settings, Trainer } from "./trainer.js";

/** Digits to begin with, or settings to train a little more. */
export type TrainRequest = { readonly training: Digits; readonly test: Digits } | Settings;

let trainer: Trainer | undefined;

addEventListener("message", ({ data }: MessageEvent<TrainRequest>) => {
  if ("training" in data) {
    trainer?.dispose();
    trainer = new Trainer(data.training, data.test);
  } else trainer?.train(data);
  postMessage(trainer?.progress);
});
