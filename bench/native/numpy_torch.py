"""The benchmark's runner for NumPy, by the classes of a textbook, float64, and PyTorch; one thread. bench/runner-child.ts has the protocol.

Outside the time: making the batch an array or tensor, its labels int64. Inside: all work that a new batch of logits needs.
"""

import importlib
import os
import statistics
import sys
from array import array
from time import perf_counter

WARM_UP_SECONDS = 0.3
SAMPLING_SECONDS = 1
MIN_SAMPLES = 5
SAMPLE_SECONDS = 1e-3


def numpy_implementation(op, shape, logits, labels):
    import numpy as np

    class Softmax:
        def forward(self, x):
            exps = np.exp(x - x.max(axis=1, keepdims=True))
            return exps / exps.sum(axis=1, keepdims=True)

    class CrossEntropy:
        """Mean loss of softmax(x) and its gradient; x (N, classes) or (N, classes, inner), labels without the classes."""

        def __init__(self):
            self.softmax = Softmax()

        def forward(self, x, labels):
            self.labels = labels
            self.probs = self.softmax.forward(x)
            return -np.log(self.probs[at(labels)]).mean()

        def backward(self):
            gradient = self.probs.copy()
            gradient[at(self.labels)] -= 1
            return gradient / self.labels.size

    def at(labels):
        """The index of each row's label in the probabilities."""
        if labels.ndim == 1:
            return np.arange(len(labels)), labels
        outer, inner = np.indices(labels.shape, sparse=True)
        return outer, labels, inner

    x = np.array(logits).reshape(shape)
    y = np.array(labels, dtype=np.int64).reshape(shape[:1] + shape[2:])
    softmax = Softmax()
    loss = CrossEntropy()
    runs = {
        "softmax": lambda: softmax.forward(x),
        "loss": lambda: loss.forward(x, y),
        "gradient": lambda: (loss.forward(x, y), loss.backward()),
    }
    return runs[op], lambda results: b"".join(np.asarray(result).tobytes() for result in results)


def pytorch_implementation(op, shape, logits, labels, dtype="float64"):
    import torch
    from torch.nn.functional import cross_entropy, softmax

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    x = torch.tensor(logits, dtype=getattr(torch, dtype)).reshape(shape)
    y = torch.tensor(labels, dtype=torch.int64).reshape(shape[:1] + shape[2:])
    leaf = x.clone().requires_grad_()

    def gradient():
        loss = cross_entropy(leaf, y)
        return loss.detach(), *torch.autograd.grad(loss, leaf)

    def without_graph(run):
        def inference():
            with torch.inference_mode():
                return run()

        return inference

    runs = {
        "softmax": without_graph(lambda: softmax(x, 1)),
        "loss": without_graph(lambda: cross_entropy(x, y)),
        "gradient": gradient,
    }
    return runs[op], lambda results: b"".join(array("d", result.flatten().tolist()).tobytes() for result in results)


IMPLEMENTATIONS = {
    "numpy": ("numpy", "float64", numpy_implementation),
    "pytorch": ("torch", "float64", pytorch_implementation),
    "pytorch-float32": ("torch", "float32", lambda *task: pytorch_implementation(*task, dtype="float32")),
}


def time_of(run):
    """Median seconds of a call, and the number of samples. A sample is one call, or as many calls as take about a millisecond."""

    def sample(calls):
        start = perf_counter()
        for _ in range(calls):
            run()
        return (perf_counter() - start) / calls

    calls = 1
    fastest = float("inf")
    start = perf_counter()
    while perf_counter() - start < WARM_UP_SECONDS:
        fastest = min(fastest, sample(calls))
        calls = max(1, min(2 * calls, round(SAMPLE_SECONDS / fastest)))
    samples = []
    start = perf_counter()
    while len(samples) < MIN_SAMPLES or perf_counter() - start < SAMPLING_SECONDS:
        samples.append(sample(calls))
    return statistics.median(samples), len(samples)


def main():
    name, op, outer, classes, inner, folder = sys.argv[1:]
    if name not in IMPLEMENTATIONS:
        return print(f"skip there is no {name} here")
    module, dtype, implement = IMPLEMENTATIONS[name]
    try:
        importlib.import_module(module)
    except ImportError:
        return print(f"skip this Python has no module {module}")
    outer, classes, inner = int(outer), int(classes), int(inner)
    logits, labels = array("d"), array("i")
    for values, file, count in ((logits, "logits.f64", outer * classes * inner), (labels, "labels.i32", outer * inner)):
        with open(os.path.join(folder, file), "rb") as stream:
            values.fromfile(stream, count)
    run, bytes_of = implement(op, (outer, classes) if inner == 1 else (outer, classes, inner), logits, labels)
    result = run()
    with open(os.path.join(folder, "result.f64"), "wb") as stream:
        stream.write(bytes_of(result if isinstance(result, tuple) else (result,)))
    print(f"ready {dtype}", flush=True)
    if sys.stdin.readline().strip() == "go":
        seconds, samples = time_of(run)
        print(f'{{"seconds": {seconds!r}, "samples": {samples}}}')


main()
