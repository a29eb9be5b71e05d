// js-pytorch: nn.Softmax, nn.CrossEntropyLoss and `backward` on its CPU device, whose tensors are nested JavaScript arrays.

import { lossThenGradient, type Task } from "../task.js";
import { load, type Work } from "./packages.js";

type Nested = number | Nested[];

interface JsPyTorch {
  torch: {
    tensor(data: Nested, requiresGradient?: boolean): Tensor;
    transpose(x: Tensor, axis: number, other: number): Tensor;
    nn: {
      Softmax: new () => { forward(x: Tensor, axis: number): Tensor };
      CrossEntropyLoss: new () => { forward(x: Tensor, labels: Tensor): Tensor };
    };
  };
}

interface Tensor {
  readonly data: Nested;
  readonly grad: Nested;
  zero_grad(): void;
  backward(): void;
}

const flat = (nested: Nested): number[] => [nested].flat(3) as number[];

/** The loss is over the last axis. Within the time, a strided axis is transposed to the end. */
export async function jsPyTorch({ op, outer, classes, inner, logits, labels }: Task): Promise<Work> {
  const { torch } = await load<JsPyTorch>("js-pytorch");
  const array = Array.from({ length: outer }, (_, o) =>
    Array.from({ length: classes }, (_, c) => {
      const start = (o * classes + c) * inner;
      return inner === 1 ? logits[start] : [...logits.subarray(start, start + inner)];
    }),
  );
  const x = torch.tensor(array, op === "gradient");
  if (op === "softmax") {
    const softmax = new torch.nn.Softmax();
    let probs = x;
    const run = () => {
      probs = softmax.forward(x, 1);
    };
    return { run, result: () => flat(probs.data) };
  }

  const y = torch.tensor([...labels]);
  const crossEntropy = new torch.nn.CrossEntropyLoss();
  let loss = x;
  const forward = () => {
    loss = crossEntropy.forward(inner === 1 ? x : torch.transpose(x, 1, 2), y);
  };
  if (op === "loss") return { run: forward, result: () => flat(loss.data) };
  const run = () => {
    x.zero_grad();
    forward();
    loss.backward();
  };
  return { run, result: () => lossThenGradient(flat(loss.data)[0], flat(x.grad)) };
}
