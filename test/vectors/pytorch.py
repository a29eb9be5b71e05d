"""PyTorch's cross_entropy and its gradient for every combination of its options, in float64, as pytorch.json.

    python3 test/vectors/pytorch.py
"""

import itertools
import json
import os
import platform

import torch

SEED = 20
# Shapes (N, C, ...): on both sides of the change of kernel, and with a strided class axis.
SHAPES = [(5, 10), (3, 50), (2, 5, 2, 2)]
SMOOTHING = [0.0, 0.1, 1.0]
REDUCTIONS = ["mean", "sum", "none"]


def flat(tensor):
    return tensor.detach().flatten().tolist()


def batch(shape):
    """The inputs that all cases of a shape share. Rows to be ignored have the label -100 or class 1."""
    classes = shape[1]
    rows = (shape[0], *shape[2:])
    labels = torch.randint(0, classes, rows)
    ignored = labels.clone().flatten()
    ignored[::3] = -100
    labels.flatten()[1] = 1
    return {
        "shape": list(shape),
        "logits": 4 * torch.randn(shape, dtype=torch.float64),
        "weight": 3 * torch.rand(classes, dtype=torch.float64),
        "indices": labels,
        "ignored": ignored.reshape(rows),
        "probabilities": torch.softmax(2 * torch.randn(shape, dtype=torch.float64), dim=1),
    }


def case(inputs, target, weighted, ignore_index, smoothing, reduction):
    logits = inputs["logits"].clone().requires_grad_()
    options = {"label_smoothing": smoothing, "reduction": reduction}
    if weighted:
        options["weight"] = inputs["weight"]
    if ignore_index is not None:
        options["ignore_index"] = ignore_index
    loss = torch.nn.functional.cross_entropy(logits, inputs[target], **options)
    loss.sum().backward()
    return {
        "target": target,
        "weighted": weighted,
        "ignoreIndex": ignore_index,
        "labelSmoothing": smoothing,
        "reduction": reduction,
        "loss": flat(loss),
        "gradient": flat(logits.grad),
    }


def cases(inputs):
    targets = [("indices", None), ("indices", 1), ("ignored", -100), ("probabilities", None)]
    return [
        case(inputs, target, weighted, ignore_index, smoothing, reduction)
        for (target, ignore_index), weighted, smoothing, reduction in itertools.product(
            targets, [False, True], SMOOTHING, REDUCTIONS
        )
    ]


def empty():
    """The mean of no valid row."""
    loss = torch.nn.functional.cross_entropy(torch.zeros(2, 3, dtype=torch.float64), torch.tensor([-100, -100]))
    return "NaN" if torch.isnan(loss) else loss.item()


torch.manual_seed(SEED)
torch.set_num_threads(1)
record = {
    "command": "python3 test/vectors/pytorch.py",
    "torch": torch.__version__,
    "python": platform.python_version(),
    "seed": SEED,
    "meanOfNoRow": empty(),
    "batches": [],
}
for shape in SHAPES:
    inputs = batch(shape)
    tensors = {name: flat(value) for name, value in inputs.items() if name != "shape"}
    record["batches"].append({"shape": inputs["shape"], **tensors, "cases": cases(inputs)})

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch.json")
with open(path, "w") as file:
    json.dump(record, file, separators=(",", ":"))
    file.write("\n")
