"""What is measured: the rows, and how they are named on the command line."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..engine.errors import UsageError, did_you_mean
from . import work
from .process import Job
from .work import Work


class Row(NamedTuple):
    """name; what it times; our job; a peer of our own, and its name; PyTorch's job, without a form.

    large: the batch may shrink to what memory holds. rounds: at most so many. group: names several rows at once.
    work(settings): what the job asks of the machine; None: no roofline is stated.
    """

    name: str
    about: str
    ours: Job
    own_peer: tuple[str, Job] | None = None
    torch: Job | None = None
    large: bool = False
    rounds: int | None = None
    group: str = ""
    work: Callable[[dict[str, Any]], Work] | None = None


EIGHT = [
    *("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect"),
    *("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"),
]
CONVOLUTIONS = EIGHT[4:]
FOUR = ["fa", "usf", "brsf", "frsf"]
SUPERNET: dict[str, Any] = {"batch": 64, "size": 32, "channels": 16, "cells": 8, "weights": "own"}
SUPERNET |= {"rules": FOUR, "operations": EIGHT}
GROWING = SUPERNET | {"batch": 32, "size": 16, "channels": 8, "cells": 3, "operations": CONVOLUTIONS}
GROWING |= {"rules": ["fa", "usf"]}
DARTS20: dict[str, Any] = {"network": "darts", "batch": 96, "size": 32, "channels": 36, "cells": 20}
RESNET20: dict[str, Any] = {"network": "resnet", "batch": 128, "size": 32}
DENSE = {"inputs": 784, "units": 2000, "batch": 128}
FILTERS = {"inputs": 3, "units": 96, "batch": 10, "kernel": 5, "size": 32}
HALF: dict[str, Any] = {"batch": 64, "size": 32, "channels": 16, "lanes": 4, "stride": 1, "inner": False}
HALVES: dict[str, dict[str, Any]] = {
    "sep3": HALF | {"kernel": 3, "dilation": 1},
    "sep5": HALF | {"kernel": 5, "dilation": 1},
    "dil3": HALF | {"kernel": 3, "dilation": 2},
    "dil5": HALF | {"kernel": 5, "dilation": 2},
    "sep3_second": HALF | {"kernel": 3, "dilation": 1, "inner": True},
    "sep5_second": HALF | {"kernel": 5, "dilation": 1, "inner": True},
    "sep3_c36": HALF | {"kernel": 3, "dilation": 1, "channels": 36},
    "dil5_c36": HALF | {"kernel": 5, "dilation": 2, "channels": 36},
    "sep3_stride2": HALF | {"kernel": 3, "dilation": 1, "stride": 2},
    "dil5_stride2": HALF | {"kernel": 5, "dilation": 2, "stride": 2},
}


def supernet_step() -> Row:
    ours, torch = Job("ours.supernet", SUPERNET), Job("peers.supernet", SUPERNET)
    about = "a weight step of the default space, 8 cells"
    return Row("supernet_step", about, ours, torch=torch, large=True, work=lambda s: work.supernet(**s))


def supernet_step_shared() -> Row:
    own, shared = Job("ours.supernet", SUPERNET), Job("ours.supernet", SUPERNET | {"weights": "shared"})
    about = "the same with shared weights, against own weights"
    peer = "own weights", own
    return Row("supernet_step_shared", about, shared, peer, large=True, work=lambda s: work.supernet(**s))


def training(name: str, about: str, form: dict[str, Any], large: bool = False) -> Row:
    """A training step of a network without a search, and the same by PyTorch."""
    ours, torch = Job("ours.network", form), Job("peers.network", form)
    return Row(name, about, ours, torch=torch, large=large, work=work.training)


def fused_half(name: str, direction: str) -> Row:
    about = f"the fused half {name}, {direction}"
    job = Job("ours.half", HALVES[name] | {"direction": direction})
    return Row(f"fused_half_{name}_{direction}", about, job, group="fused_half", work=work.half)


def growth(what: str, twice: dict[str, Any]) -> Row:
    """A weight step of twice the size, against that of once the size: a ratio of 0.5 is linear growth."""
    doubled, once = Job("ours.supernet", GROWING | twice), Job("ours.supernet", GROWING)
    return Row(
        f"growth_{what}", f"twice the {what}, against once", doubled, ("half of it", once), group="growth"
    )


def hebbian(name: str, form: dict[str, int]) -> Row:
    loop, torch = Job("ours.hebbian_loop", form), Job("peers.hebbian", form)
    about, peer = "activation and Hebbian update", ("a loop over samples", loop)
    return Row(name, about, Job("ours.hebbian", form), peer, torch, work=work.hebbian)


ROWS = [
    supernet_step(),
    supernet_step_shared(),
    training("darts20_step", "a training step of DARTS_V2, 20 cells, uSF", DARTS20 | {"rule": "usf"}, True),
    training("resnet20_step", "a training step of ResNet-20, BP", RESNET20 | {"rule": "bp"}),
    training("resnet20_step_usf", "a training step of ResNet-20, uSF", RESNET20 | {"rule": "usf"}),
    *(fused_half(name, direction) for name in HALVES for direction in ("forward", "backward")),
    hebbian("hebbian_dense", DENSE),
    hebbian("hebbian_conv", FILTERS),
    Row("digits_search", "bionas-cupy search, from its start to its end", Job("ours.search", {}), rounds=1),
    growth("batch", {"batch": 64}),
    growth("cells", {"cells": 6}),
    growth("candidates", {"rules": FOUR}),
]


def chosen(names: Sequence[str]) -> list[Row]:
    """The rows of these names and groups, in their order here; all where none is named. Raises UsageError."""
    known = {row.name for row in ROWS} | {row.group for row in ROWS if row.group}
    for name in names:
        if name not in known:
            raise UsageError(f'benchmark "{name}" is unknown.', did_you_mean(name, known))
    return [row for row in ROWS if not names or row.name in names or row.group in names]
