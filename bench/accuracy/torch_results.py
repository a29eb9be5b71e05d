"""PyTorch's results for batches, in the type that the argument names. Reads doubles from stdin and writes doubles to stdout, so that printing
loses no digit.

In, per batch   rows, classes, logits (rows, classes), labels (rows)
Out, per batch  probs (rows, classes), losses (rows), gradient of the sum of the losses (rows, classes)
"""

import sys
from array import array

import torch
from torch.nn.functional import cross_entropy

torch.set_num_threads(1)
dtype = getattr(torch, sys.argv[1])
words = array("d")
words.frombytes(sys.stdin.buffer.read())
position = 0


def take(count):
    global position
    position += count
    return words[position - count : position].tolist()


while position < len(words):
    rows, classes = map(int, take(2))
    logits = torch.tensor(take(rows * classes), dtype=dtype).reshape(rows, classes).requires_grad_()
    labels = torch.tensor(take(rows), dtype=torch.int64)
    losses = cross_entropy(logits, labels, reduction="none")
    losses.sum().backward()
    for result in (torch.softmax(logits, 1), losses, logits.grad):
        sys.stdout.buffer.write(array("d", result.flatten().tolist()).tobytes())
