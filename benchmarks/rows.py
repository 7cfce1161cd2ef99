"""What is measured: the rows, and how they are named on the command line."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..engine.errors import UsageError, did_you_mean
from .process import Job

EIGHT = [
    *("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect"),
    *("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"),
]
SUPERNET: dict[str, Any] = {"batch": 64, "size": 32, "channels": 16, "cells": 8, "weights": "own"}
SUPERNET |= {"rules": ["fa", "usf", "brsf", "frsf"], "operations": EIGHT}
DARTS20: dict[str, Any] = {"network": "darts", "batch": 96, "size": 32, "channels": 36, "cells": 20}
RESNET20: dict[str, Any] = {"network": "resnet", "batch": 128, "size": 32}


class Row(NamedTuple):
    """name; what it times; our job; a peer of our own, and its name; PyTorch's job, without a form.

    large: the batch may shrink to what memory holds. rounds: at most so many.
    """

    name: str
    about: str
    ours: Job
    own_peer: tuple[str, Job] | None = None
    torch: Job | None = None
    large: bool = False
    rounds: int | None = None


def supernet(side: str = "ours", **settings: Any) -> Job:
    return Job(f"{side}.supernet", SUPERNET | settings)


def training(name: str, about: str, form: dict[str, Any], large: bool = False) -> Row:
    """A training step of a network without a search, and the same by PyTorch."""
    return Row(name, about, Job("ours.network", form), torch=Job("peers.network", form), large=large)


ROWS = [
    Row(
        "supernet_step",
        "a weight step of the default space, 8 cells",
        supernet(),
        torch=supernet("peers"),
        large=True,
    ),
    Row(
        "supernet_step_shared",
        "the same with shared weights, against own weights",
        supernet(weights="shared"),
        ("own weights", supernet()),
        large=True,
    ),
    training("darts20_step", "a training step of DARTS_V2, 20 cells, uSF", DARTS20 | {"rule": "usf"}, True),
    training("resnet20_step", "a training step of ResNet-20, BP", RESNET20 | {"rule": "bp"}),
    training("resnet20_step_usf", "a training step of ResNet-20, uSF", RESNET20 | {"rule": "usf"}),
]


def chosen(names: Sequence[str]) -> list[Row]:
    """The rows of these names, in their order here; all where none is named. Raises UsageError."""
    known = {row.name: row for row in ROWS}
    for name in names:
        if name not in known:
            raise UsageError(f'benchmark "{name}" is unknown.', did_you_mean(name, known))
    return [row for row in ROWS if not names or row.name in names]
