"""The probe: look at what every synapse was told, without changing a bit of the run.

    with bn.probe("delta", "below", layers=["cell2.*"], every=10) as p:
        ...any training or search...
    p["cell2.edge3.sep_conv_3x3.pointwise0", "delta"]     # list of (update, array)

A pass asks once which open probes watch it (`Step.probes`); a synapse asks once whether there are any. A name
with "exact" in it is what the loss's exact gradient would have told the synapse: then `descend` makes an exact
backward pass before the rules' own, through the same activations.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol, TypeVar

from . import probe_records
from .backend import Array, array_module, fetch
from .errors import UsageError, did_you_mean
from .lanes import LaneSignals

OWN = ("x", "y", "delta", "top", "modulator", "dloss", "below", "dW", "W", "B")
SIGNALS = (*OWN, "delta_exact", "below_exact", "dW_exact")
PASSES = ("weights", "architecture", "virtual", "evaluation")
Function = Callable[[Any, "Told"], Any]
T = TypeVar("T")


class Told(Mapping[str, Any]):
    """The signals of one synapse in one pass, by name; None where there is none.

    s: all of it as the rules get it (engine/lanes.py).
    """

    s: LaneSignals


class Pass(Protocol):
    """What a probe asks of a Step."""

    update: int
    purpose: str
    probes: "tuple[Watch, ...]"

    def beside(self, watch: "Watch") -> "Pass": ...
    def compare_with(self, found: Mapping[Any, Mapping[str, Any]]) -> None: ...


class Watch:
    """What watches passes: which updates, which kinds of pass, which layers. Subclasses say what they record."""

    def __init__(
        self,
        layers: str | Sequence[str] = ("*",),
        every: int = 1,
        passes: str | Sequence[str] = ("weights",),
        exact: bool = False,
    ) -> None:
        self.layers = [layers] if isinstance(layers, str) else list(layers)
        self.passes = [passes] if isinstance(passes, str) else list(passes)
        self.every, self.exact = every, exact
        if every < 1:
            raise UsageError(f"probe: every is {every}, expected 1 or more updates.")
        for name in self.passes:
            if name not in PASSES:
                raise UsageError(f'probe: pass "{name}" is unknown.', did_you_mean(name, PASSES))

    def watches(self, step: Pass) -> bool:
        return step.purpose in self.passes and step.update % self.every == 0

    def wants(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.layers)

    def record(self, layer: Any, step: Pass, told: Told) -> None:
        """Called by every synapse of a watched pass at the end of its backward, from the loss to the data."""
        raise NotImplementedError

    def end(self, step: Pass) -> None:
        """Called when a watched pass is over."""


class Probe(Watch):
    """Named signals, or functions of (layer, signals), as NumPy copies.

    A function returns an array, a number, a dictionary of them by label, or None for nothing to record. Recorded
    arrays are NumPy's, which other libraries take over by DLPack without a copy.
    """

    def __init__(self, what: Sequence[str | Function], **which: Any) -> None:
        for name in what:
            if isinstance(name, str) and name not in SIGNALS:
                raise UsageError(f'probe: signal "{name}" is unknown.', did_you_mean(name, SIGNALS))
        super().__init__(**which)
        self.what = what
        self.exact = self.exact or any(isinstance(name, str) and name.endswith("_exact") for name in what)
        self._records: dict[tuple[str, ...], list[tuple[int, Any]]] = {}
        self._pending: list[tuple[tuple[str, ...], int, Any]] = []

    def record(self, layer: Any, step: Pass, told: Told) -> None:
        if not self.watches(step) or not self.wants(layer.name):
            return
        for label, value in _found(self.what, layer, told):
            key = (layer.name, label) if step.purpose == "weights" else (layer.name, label, step.purpose)
            if hasattr(value, "shape"):  # a copy on its device: weights and buffers change in place
                value = array_module(value).array(value)
            self._pending.append((key, step.update, value))

    def end(self, step: Pass) -> None:
        self._bring()

    def _bring(self) -> None:
        """What is pending comes to the host in one transfer."""
        arrays = iter(fetch([value for _, _, value in self._pending if hasattr(value, "shape")]))
        for key, update, value in self._pending:
            held = next(arrays) if hasattr(value, "shape") else value
            self._records.setdefault(key, []).append((update, held))
        self._pending.clear()

    @property
    def records(self) -> dict[tuple[str, ...], list[tuple[int, Any]]]:
        """{(layer, signal): [(update, value), ...]}; (layer, signal, pass) where it is not the weights' pass."""
        self._bring()
        return self._records

    def __getitem__(self, key: tuple[str, ...]) -> list[tuple[int, Any]]:
        """The (update, value) pairs of a (layer, signal), or of a (layer, signal, pass)."""
        if key not in self.records:
            known = [str(each) for each in sorted(self.records)]
            told = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
            raise UsageError(f"probe: nothing recorded for {key}.", f"Recorded: {told or 'nothing'}.")
        return self.records[key]

    def table(self) -> list[dict[str, Any]]:
        """An object a (layer, signal): records, updates, shape, the last value or its norm."""
        return probe_records.table(self.records)

    def to_hdf5(self, path: str | Path) -> None:
        """Write all records: /LAYER/SIGNAL/updates and /LAYER/SIGNAL/values."""
        probe_records.to_hdf5(self.records, path)

    def plot(self) -> Any:
        """A matplotlib figure of all values or norms over the updates (extra `report`)."""
        return probe_records.plot(self.records)

    def __repr__(self) -> str:
        steps = {update for values in self.records.values() for update, _ in values}
        layers = {layer for layer, *_ in self.records}
        return f"Probe({len(steps)} updates, {len(layers)} layers, {len(self.records)} signals)"

    def _repr_html_(self) -> str:
        return probe_records.page(self.records)


def _found(what: Sequence[str | Function], layer: Any, told: Told) -> Iterator[tuple[str, Any]]:
    for name in what:
        value = told[name] if isinstance(name, str) else name(layer, told)
        label = name if isinstance(name, str) else name.__name__
        for each, part in value.items() if isinstance(value, dict) else [(label, value)]:
            if part is not None:
                yield each, part


class Reference(Watch):
    """Keeps what the exact pass told each synapse that a probe wants."""

    def __init__(self, wanted_by: Sequence[Watch]) -> None:
        super().__init__()
        self._wanted_by = wanted_by
        self.found: dict[Any, dict[str, Any]] = {}

    def record(self, layer: Any, step: Pass, told: Told) -> None:
        if any(watch.wants(layer.name) for watch in self._wanted_by):
            kept = {name: told[name] for name in ("delta", "below", "dW")}
            self.found[layer] = {  # copies: a residual block adds its shortcut's error to `below` in place
                name: None if value is None else value.copy() for name, value in kept.items()
            }


def descend(backward: Callable[[Array, Any], T], error: Array, step: Any) -> T:
    """backward(error, step); where a probe asks for it, an exact one first, through the same activations."""
    return watched(lambda: backward(error, step), lambda beside: backward(error, beside), step)


def watched(learn: Callable[[], T], exact: Callable[[Any], object], step: Any) -> T:
    """learn(), in which the synapses tell the probes of `step`; where one compares, exact(a step beside it) first."""
    step.probes = watching = tuple(watch for watch in step.probes if watch.watches(step))
    comparing = [watch for watch in watching if watch.exact]
    if comparing:
        reference = Reference(comparing)
        exact(step.beside(reference))
        step.compare_with(reference.found)
    told = learn()
    step.compare_with({})  # its arrays are free again
    for watch in watching:
        watch.end(step)
    return told


_open: ContextVar[tuple[Watch, ...]] = ContextVar("open_probes", default=())


def open_probes() -> tuple[Watch, ...]:
    return _open.get()


@contextmanager
def opened(watch: Watch) -> Iterator[None]:
    """Every pass that begins within the body is watched."""
    token = _open.set((*_open.get(), watch))
    try:
        yield
    finally:
        _open.reset(token)


@contextmanager
def probe(
    *what: str | Function,
    layers: str | Sequence[str] = ("*",),
    every: int = 1,
    passes: str | Sequence[str] = ("weights",),
    exact: bool = False,
) -> Iterator[Probe]:
    """Open a probe around any training, search or evaluation.

    what      signals: x, y, delta, top, modulator, dloss, below, dW, W, B; and what the exact gradient would have
              told the synapse, delta_exact, below_exact, dW_exact. Or functions of (layer, signals): layer has name,
              rules, W; signals[name] is computed when asked for. Arrays have a lane axis, (N, R, ...)
    layers    name patterns
    every     updates
    passes    "weights": whose updates are applied; "architecture": of α; "virtual": steps looked ahead only;
              "evaluation": forward passes, where there is only x, y and W: a record a batch, in their order, update 0
    exact     functions read *_exact signals

    Raises UsageError for an unknown signal or pass.
    """
    made = Probe(what, layers=layers, every=every, passes=passes, exact=exact)
    with opened(made):
        yield made
