"""GFLOP/s of X Wᵀ by NumPy, whose build says which BLAS it has, and PyTorch, one thread. Prints a line of JSON: by name, the median of some rounds.

  products.py rows depth classes float32|float64
"""

import json
import os
import statistics
import sys
from time import perf_counter

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

ROUNDS = 15
# The operations of a sample, at least.
OPERATIONS = 2e8


def numpy_product(rows, depth, classes, dtype):
    import numpy as np

    x, w = np.random.rand(rows, depth).astype(dtype), np.random.rand(classes, depth).astype(dtype)
    out = np.empty((rows, classes), dtype)
    return lambda: np.matmul(x, w.T, out=out)


def torch_product(rows, depth, classes, dtype):
    import torch

    torch.set_num_threads(1)
    x, w = (torch.rand(n, depth, dtype=getattr(torch, dtype)) for n in (rows, classes))
    out = torch.empty(rows, classes, dtype=x.dtype)
    return lambda: torch.mm(x, w.t(), out=out)


def rate_of(run, operations):
    calls = max(1, round(OPERATIONS / operations))
    samples = []
    for _ in range(ROUNDS):
        start = perf_counter()
        for _ in range(calls):
            run()
        samples.append((perf_counter() - start) / calls)
    return operations / statistics.median(samples) / 1e9


def main():
    rows, depth, classes = map(int, sys.argv[1:4])
    rates = {}
    for name, product in (("numpy", numpy_product), ("pytorch", torch_product)):
        try:
            rates[name] = rate_of(product(rows, depth, classes, sys.argv[4]), 2 * rows * depth * classes)
        except ImportError:
            pass
    print(json.dumps(rates))


main()
