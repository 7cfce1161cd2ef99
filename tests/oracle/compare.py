"""How closely a model must follow its twin, in float64 and in float32."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from bionas_cupy.engine.random import Key
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from one_step import Batch, distances, ours, theirs
from torch_rules import torch
from twin import Arrays, bind

CLASSES = 5
RULES = "bp fa dfa usf usf(scale=1) frsf brsf qsf2 qsf3 power(p=0.5) power(p=0.25;q=0.5)".split()  # noqa: SIM905
EXACT = 1e-9  # relative norm of the difference, each array, float64
ROUNDING = 2.0**-24  # a stored float32 number is no closer
MARGIN = 1e-6  # no unit of the reference lies so close to the kink of its ReLU or maximum


class Case(NamedTuple):
    """A network and its twin, built anew at each call."""

    network: Callable[[], Layer]
    twin: Callable[[], torch.nn.Module]

    def model(self, dtype: Any) -> Model:
        return Model(self.network(), Normalise((0.45, 0.5, 0.4), (0.25, 0.3, 0.2)), Key(7), dtype)

    def answer(self, model: Model, batch: Batch, dtype: torch.dtype = torch.float64) -> Arrays:
        """The twin's, at the model's weights."""
        return theirs(bind(self.twin(), model, dtype), model, batch)


def images(seed: int, count: int, size: tuple[int, int], **form: Any) -> Batch:
    random = np.random.default_rng(seed)
    return Batch(random.random((count, 3, *size)), random.integers(0, CLASSES, count), **form)


def check_float64(case: Case, batch: Batch) -> None:
    """Every array of one step to 1e-9."""
    model = case.model(np.float64)
    reference = case.answer(model, batch)  # first: a pass of the model moves its running statistics
    errors = distances(ours(model, batch), reference)
    far = [(name, error) for name, error in errors.items() if not error <= EXACT]
    assert not far, far[:5]


def check_float32(case: Case, batch_of: Callable[[int], Batch], limit: float | None = None) -> None:
    """One step in float32, against the twin in float64 at the same weights, on two batches.

    The error of an array is the relative norm of its difference. With a limit: every array keeps it. Without:
    over all arrays of a kind (see `kind`), the largest error and the median error are at most three times those
    of PyTorch's own float32 on the same arrays, or three roundings of a stored number. (The ratio on a single
    array says little: either side may come close by chance, a scalar to nine digits.) Where an input of a ReLU
    or of a pool lies on the edge, rounding decides which way a gradient goes, in PyTorch's float32 as in ours:
    such batches are passed over.
    """
    found: dict[str, list[float]] = {}
    own: dict[str, list[float]] = {}
    for batch, reference in islice(steady(case, batch_of), 2):
        model = case.model(np.float32)
        pytorch = case.answer(model, batch, torch.float32) if limit is None else reference
        for errors, answer in (own, pytorch), (found, ours(model, batch)):
            for name, error in distances(answer, reference).items():
                errors.setdefault(kind(name), []).append(error)
    for of in (np.max, np.median):
        bounds = {k: limit or 3 * max(of(errors), ROUNDING) for k, errors in own.items()}
        far = {k: (of(errors), bounds[k]) for k, errors in found.items() if not of(errors) <= bounds[k]}
        assert not far, (of.__name__, far)


def kind(name: str) -> str:
    """Gradients of parameters; architecture gradients; running statistics; the loss and logits."""
    return name.partition(" ")[0] if " " in name else "outputs"


def steady(case: Case, batch_of: Callable[[int], Batch]) -> Iterator[tuple[Batch, Arrays]]:
    """Of the batches 0, 1, 2, ... those that keep their margin, with the reference's answers."""
    model = case.model(np.float32)
    for seed in range(40):
        with Margin() as margin:
            reference = case.answer(model, batch_of(seed))
        if margin.least > MARGIN:
            yield batch_of(seed), reference
    raise AssertionError("no further batch keeps its margin")


class Margin(torch.overrides.TorchFunctionMode):
    """Sees how close the inputs of ReLUs come to 0, and the two largest of a pool's window to each other."""

    least = float("inf")

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ == "relu":
            self.least = min(self.least, float(args[0].detach().abs().min()))
        if func is torch.max_pool2d:
            self.least = min(self.least, smallest_lead(args[0].detach(), args[1], **kwargs))
        return func(*args, **(kwargs or {}))


def smallest_lead(x: torch.Tensor, kernel: int, stride: Any, padding: int, **_: Any) -> float:
    """Of the largest over the second in any window; ties of zeros, which a ReLU left, do not count."""
    framed = torch.nn.functional.pad(x, (padding,) * 4, value=-1e9)
    windows = framed.unfold(2, kernel, stride or kernel).unfold(3, kernel, stride or kernel).flatten(-2)
    first, second = windows.topk(2).values.unbind(-1)
    return float((first - second)[first != 0].min())
