"""What a rule's weights must obey, whatever the rule: RULE+CONSTRAINT, for instance oja+nonneg+norm.

A constraint is applied to the initial weights (`start`) and after every step of the optimiser (`apply`), in place on
one lane's W (O, C/groups, ...), several in the order given. Homeostasis moves the bias instead.
"""

import math
import re
from typing import ClassVar

import numpy as np

from .backend import Array, array_module
from .errors import UsageError, did_you_mean
from .rule import State

_SUFFIX = re.compile(r"(?:\+[a-z_]+(?:\([^()]*\))?)+$")
_PART = re.compile(r"\+(?P<name>[a-z_]+)(?:\((?P<options>[^()]*)\))?")


class Constraint:
    """Options are numbers with defaults, kept as attributes of the same name."""

    name: ClassVar[str] = ""
    needs_bias: ClassVar[bool] = False

    def start(self, W: Array, state: State, groups: int) -> None:
        self.apply(W, state, groups)

    def apply(self, W: Array, state: State, groups: int) -> None:
        """Mend W in place."""

    def bias_update(self, y: Array) -> Array | None:
        """Δb (O,) from the output y (N, O), None where the bias is no concern."""
        return None

    def __str__(self) -> str:
        options = ";".join(f"{name}={value:g}" for name, value in vars(self).items())
        return f"{self.name}({options})" if options else self.name


class NonNegative(Constraint):
    """nonneg: w ← max(w, 0). At the start w ← abs(w)."""

    name = "nonneg"

    def start(self, W: Array, state: State, groups: int) -> None:
        W[...] = abs(W)

    def apply(self, W: Array, state: State, groups: int) -> None:
        W[...] = array_module(W).maximum(W, 0)


class Dale(Constraint):
    """dale(inhibitory=0.2): all that an input unit sends has its sign, w ← s·max(s·w, 0), s = -1 for inhibitory units.

    The type belongs to the unit (a channel of a convolution): of n inputs, ⌊n·inhibitory⌋ are inhibitory, evenly
    spread, so that every layer that reads the same units agrees. It means what Dale meant where inputs are rates,
    behind a rectifier. At the start w ← s·abs(w).
    """

    name = "dale"

    def __init__(self, inhibitory: float = 0.2) -> None:
        if not 0 <= inhibitory <= 1:
            raise UsageError(f"constraint dale: inhibitory is {inhibitory:g}, expected a share from 0 to 1.")
        self.inhibitory = inhibitory

    def start(self, W: Array, state: State, groups: int) -> None:
        W[...] = abs(W) * self._signs(W, groups)

    def apply(self, W: Array, state: State, groups: int) -> None:
        s = self._signs(W, groups)
        W[...] = s * array_module(W).maximum(s * W, 0)

    def _signs(self, W: Array, groups: int) -> Array:
        """s of the input that each weight reads, (O, C/groups, 1, ...)."""
        each = np.arange(W.shape[1]) + W.shape[1] * (np.arange(len(W)) // (len(W) // groups))[:, None]
        inhibitory = np.floor((each + 1) * self.inhibitory) > np.floor(each * self.inhibitory)
        signs = np.where(inhibitory, -1, 1).reshape(*W.shape[:2], *(1,) * (W.ndim - 2))
        on_device: Array = array_module(W).asarray(signs, W.dtype)
        return on_device


class Sparse(Constraint):
    """sparse(keep=0.1): a fixed random share of the synapses exists, w ← m ∘ w.

    The initial weights that are kept are 1/√keep larger, so that an output starts with the same variance.
    """

    name = "sparse"

    def __init__(self, keep: float = 0.1) -> None:
        if not 0 < keep <= 1:
            raise UsageError(f"constraint sparse: keep is {keep:g}, expected a share above 0, up to 1.")
        self.keep = keep

    def start(self, W: Array, state: State, groups: int) -> None:
        W /= math.sqrt(self.keep)
        self.apply(W, state, groups)

    def apply(self, W: Array, state: State, groups: int) -> None:
        below = 3.0**0.5 * (2 * self.keep - 1)
        W *= state.draw("mask", W, s=1.0) < below


class Norm(Constraint):
    """norm(p=2;to=1): the weights of each unit have length `to` in the p-norm, w ← to · w/‖w‖."""

    name = "norm"

    def __init__(self, p: float = 2, to: float = 1) -> None:
        if p < 1 or to <= 0:
            raise UsageError(f"constraint norm: p is {p:g}, to is {to:g}; expected p from 1, to above 0.")
        self.p, self.to = p, to

    def apply(self, W: Array, state: State, groups: int) -> None:
        total = (abs(W) ** self.p).sum(axis=tuple(range(1, W.ndim)), keepdims=True)
        W *= self.to / array_module(W).maximum(total, np.finfo(W.dtype).tiny) ** (1 / self.p)


class Homeostasis(Constraint):
    """homeostasis(rate=0.04): Δb_k = γ (ā - a_k)  (Inoue, Röhrbein & Knoblauch 2026).

    a_k is the mean activation max(y, 0) of unit k over the batch, ā its mean over the layer's units, γ the rate; the
    optimiser's learning rate comes on top. Of layers with a bias.
    """

    name, needs_bias = "homeostasis", True

    def __init__(self, rate: float = 0.04) -> None:
        if rate <= 0:
            raise UsageError(f"constraint homeostasis: rate is {rate:g}, expected more than 0.")
        self.rate = rate

    def bias_update(self, y: Array) -> Array:
        a = array_module(y).maximum(y, 0).mean(axis=0)
        change: Array = self.rate * (a.mean() - a)
        return change


CONSTRAINTS = {kind.name: kind for kind in (NonNegative, Dale, Sparse, Norm, Homeostasis)}


def split_constraints(spec: str) -> tuple[str, str]:
    """("oja", "+nonneg+norm(to=2)") of "oja+nonneg+norm(to=2)"."""
    match = _SUFFIX.search(spec.strip())
    return (spec.strip()[: match.start()], match[0]) if match else (spec, "")


def make_constraints(text: str) -> tuple[Constraint, ...]:
    """The constraints of "+nonneg+norm(to=2)", the first + optional. Raises UsageError."""
    text = text.strip()
    text = text if not text or text.startswith("+") else f"+{text}"
    if text and not _SUFFIX.fullmatch(text):
        raise UsageError(f'constraints "{text}" cannot be read.', "Write nonneg+norm(to=1).")
    return tuple(_make(part["name"], part["options"] or "") for part in _PART.finditer(text))


def _make(name: str, options: str) -> Constraint:
    if name not in CONSTRAINTS:
        raise UsageError(f'constraint "{name}" is unknown.', did_you_mean(name, CONSTRAINTS))
    try:
        pairs = [part.split("=") for part in options.split(";") if part.strip()]
        return CONSTRAINTS[name](**{key.strip(): float(value) for key, value in pairs})
    except (TypeError, ValueError):
        raise UsageError(
            f'constraint "{name}({options})" does not take these options.',
            (CONSTRAINTS[name].__doc__ or "").split(":")[0] + " shows them.",
        ) from None
