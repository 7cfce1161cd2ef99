"""The probe: look at what every synapse was told, without changing a bit of the run.

    with bn.probe("delta", "below", layers=["cell2.*"], every=10) as p:
        ...any training...
    p["cell2.edge3.sep_conv_3x3.pointwise0", "delta"]     # list of (update, array)

A probe that is not open costs one look-up per synapse and pass.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from .backend import Array, to_host
from .errors import UsageError, did_you_mean

RECORDED = ("x", "delta", "top", "below", "dW", "W", "B")
Function = Callable[[str, dict[str, Array]], Any]


class Probe:
    """Records of named signals, or of functions of (layer name, signals), as NumPy copies."""

    def __init__(self, what: Sequence[str | Function], layers: Sequence[str], every: int) -> None:
        for name in what:
            if isinstance(name, str) and name not in RECORDED:
                raise UsageError(f'probe: signal "{name}" is unknown.', did_you_mean(name, RECORDED))
        self.what, self.layers, self.every = what, layers, every
        self.records: dict[tuple[str, str], list[tuple[int, Any]]] = {}

    def record(self, layer: str, update: int, signals: dict[str, Array]) -> None:
        """Called by a synapse at the end of its backward."""
        if update % self.every or not any(fnmatchcase(layer, pattern) for pattern in self.layers):
            return
        for name in self.what:
            if isinstance(name, str):
                label, value = name, signals.get(name)
            else:
                label, value = name.__name__, name(layer, signals)
            if value is not None:
                copy = np.array(to_host(value)) if hasattr(value, "shape") else value
                self.records.setdefault((layer, label), []).append((update, copy))

    def __getitem__(self, key: tuple[str, str]) -> list[tuple[int, Any]]:
        """The (update, value) pairs of a (layer, signal)."""
        if key not in self.records:
            raise UsageError(f"probe: nothing recorded for {key}.", f"Recorded: {sorted(self.records)}.")
        return self.records[key]


_open: ContextVar[tuple[Probe, ...]] = ContextVar("open_probes", default=())


def open_probes() -> tuple[Probe, ...]:
    return _open.get()


@contextmanager
def probe(*what: str | Function, layers: Sequence[str] = ("*",), every: int = 1) -> Iterator[Probe]:
    """Open a probe around any training, search or evaluation. `layers`: name patterns; `every`: updates."""
    if every < 1:
        raise UsageError(f"probe: every is {every}, expected 1 or more updates.")
    opened = Probe(what, [layers] if isinstance(layers, str) else layers, every)
    token = _open.set((*_open.get(), opened))
    try:
        yield opened
    finally:
        _open.reset(token)
