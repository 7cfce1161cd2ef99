"""B of every rule, from the papers' definitions and apart from the engine; random numbers are data."""

import math
import re
from collections.abc import Callable

import pytest

pytest.importorskip("torch")
import torch
from torch import Tensor

torch.set_num_threads(1)  # tiny batches: threads cost more than they give

Rules = str | list[tuple[float, str]]  # one rule, or several on one weight with their shares
Draw = Callable[[str, tuple[int, ...], bool], Tensor]  # (name, shape, renew): uniform on [-1, 1)


def name_of(rule: str) -> str:
    return re.split(r"\d|\(", rule)[0]


def options_of(rule: str) -> dict[str, str]:
    """What stands in its brackets."""
    return dict(re.findall(r"(\w+)=([\w.-]+)", rule))


def feedback_weights(rule: str, W: Tensor, s: float, draw: Draw) -> Tensor | None:
    """B through which a rule sends the error, None where there is none; s: the deviation of W's initialiser."""

    def random(name: str, renew: bool = False) -> Tensor:
        return math.sqrt(3.0) * s * draw(name, tuple(W.shape), renew)  # as W's initialiser draws: deviation s

    options = options_of(rule)
    match name_of(rule):
        case "bp" | "pc":
            return W
        case "fa":
            return random("B")
        case "usf":
            return (1.0 if rule == "usf(scale=1)" else s) * W.sign()
        case "frsf":
            return random("R").abs() * W.sign()
        case "brsf":
            return random("R", renew=True).abs() * W.sign()
        case "qsf":
            return s * quantised(W.abs(), 2 ** (int(rule[3:]) - 1)) * W.sign()
        case "power":
            p, q = float(options["p"]), float(options.get("q", 0))
            B = W.abs() ** p * W.sign() * (random("R").abs() ** q if q else 1.0)
            return B * (W.norm() / B.norm())
        case "hebbian" | "three_factor" | "oja" | "hpca" | "swta" | "softhebb" | "krotov_hopfield" | "inoue":
            return {"none": lambda: None, "exact": lambda: W, "feedback": lambda: random("B")}[
                options.get("sends", "none")
            ]()
        case "dfa" | "wp" | "np" | "inoue_output" | "pepita" | "ff":
            return None
    raise ValueError(f'rule "{rule}" has no computation in PyTorch')


def quantised(magnitude: Tensor, levels: int) -> Tensor:
    """Centres of `levels` equal bins up to √3 rms, scaled such that a uniform variable's have rms 1."""
    top = math.sqrt(3.0) * magnitude.square().mean().sqrt()
    inner_edges = top * torch.arange(1, levels, dtype=magnitude.dtype) / levels
    centres = torch.arange(levels, dtype=magnitude.dtype) + 0.5
    return (centres / centres.square().mean().sqrt())[torch.bucketize(magnitude, inner_edges, right=True)]
