"""Numerical checks of what is written by hand: a layer's backward against central differences of its forward.

L = Σ_i ⟨c_i, y_i⟩,  y = layer.forward(x, step),  c random          backward(c) must give ∂L/∂x and ∂L/∂w
d(v) = (L(w + h v) - L(w - h v)) / 2h = ⟨∂L/∂w, v⟩ + O(h²)         for any direction v

report = bn.check_gradients(MyLayer(3, 5), x)         # raises GradientError where they disagree
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from . import random
from .backend import Array
from .errors import BionasError
from .parameter import Arena, Parameter
from .random import Key
from .step import Step

STEPS = (1e-5, 1e-6, 1e-7)  # h; the smaller ones where a step crosses a kink, of a rectifier or a maximum
KEY = Key(0, "check")


class Differentiable(Protocol):
    """A layer: see layers/layer.py."""

    def forward(self, *args: Any, **kwargs: Any) -> Any: ...
    def backward(self, *args: Any, **kwargs: Any) -> Any: ...
    def walk(self, prefix: str = "") -> Iterator[tuple[str, Any]]: ...


@dataclass(frozen=True)
class GradientReport:
    """errors: the largest relative error of each tensor, by name: "x" (or "x0", "x1", ...) and "layer.W"."""

    errors: dict[str, float]
    tolerance: float

    @property
    def disagree(self) -> list[str]:
        """The tensors beyond the tolerance, worst first; NaN counts as worst."""
        wrong = [n for n, e in self.errors.items() if not e <= self.tolerance]
        return sorted(wrong, key=lambda n: -np.nan_to_num(self.errors[n], nan=np.inf))

    def __str__(self) -> str:
        return ", ".join(f"{name} {error:.1e}" for name, error in self.errors.items())


class GradientError(BionasError):
    """Backward disagrees with the differences of forward; `report` has every tensor's error."""

    def __init__(self, what: str, cure: str, report: GradientReport) -> None:
        super().__init__(what, cure)
        self.report = report


def check_gradients(
    layer: Differentiable,
    x: Array | Sequence[Array],
    *,
    step: Step | None = None,
    tolerance: float = 1e-6,
    directions: int = 3,
    full: int = 64,
    input_error: bool = True,
) -> GradientReport:
    """Compares layer.backward with central differences of layer.forward, in float64.

    layer        any Layer. A copy is checked, at its own weights or, where it has none yet, at drawn ones;
                 they are moved by 0.1·N(0, 1), because γ = 1 and b = 0 hide errors
    x            its input, of any shape; or several, which forward takes before `step`. Then backward
                 returns as many errors, None for one that it does not compute. Outputs may be several too
    step         training, update, drop-path, exact ...: copied for every pass (default: training)
    tolerance    of the relative error, from which the rounding error of d itself is taken off:
                 |⟨g, v⟩ - d(v)| / max(‖g‖, |d(v)|) in `directions` random directions v ~ N(0, I), and
                 ‖g - d‖ / max(‖g‖, ‖d‖) over the components of a tensor of up to `full` elements
    input_error  False for a network whose first layer sends no error to the data

    Weights are checked for rules whose update is the gradient: BP, or any rule with step.exact. Keep x away
    from kinks, ties of a maximum for instance. Returns the report; raises GradientError where a tensor is
    beyond the tolerance, and BionasError where a shape or a type is wrong.
    """
    inputs = [np.array(a, np.float64) for a in (x if isinstance(x, tuple | list) else (x,))]
    checked = _Checked(layer, inputs, step or Step(KEY), input_error)
    report = GradientReport(checked.errors(tolerance, directions, full), tolerance)
    if report.disagree:
        name = getattr(layer, "name", "") or type(layer).__name__
        listed = ", ".join(f"{n} (relative error {report.errors[n]:.1e})" for n in report.disagree)
        raise GradientError(
            f"{name}: backward disagrees with the differences of forward, over {tolerance:g}: {listed}.",
            "A factor of -1, a transpose, or a term that backward leaves out?",
            report,
        )
    return report


class _Checked:
    """A copy of a layer in float64, the scalar L of it, and what its backward says of every tensor."""

    def __init__(self, layer: Differentiable, inputs: list[Array], step: Step, input_error: bool) -> None:
        self.layer, self.inputs, self.template = copy.deepcopy(layer), inputs, step
        parameters = _initialise(self.layer)
        outputs = self._outputs(self._step())
        self.c = [random.normal(KEY.to("c", i), y.shape, dtype=np.float64) for i, y in enumerate(outputs)]
        self.size = float(np.sqrt(sum(((c * y) ** 2).sum() for c, y in zip(self.c, outputs, strict=True))))
        self.tensors = {p.name: p.value for p in parameters}
        self.gradients = {p.name: p.grad for p in parameters}
        sent = self._backward()
        for i, (a, error) in enumerate(zip(inputs, sent, strict=True)):
            if input_error and error is not None:
                name = "x" if len(inputs) == 1 else f"x{i}"
                self.tensors[name], self.gradients[name] = a, self._same_shape(name, a, error)

    def errors(self, tolerance: float, directions: int, full: int) -> dict[str, float]:
        return {name: self._error(name, tolerance, directions, full) for name in self.tensors}

    def _error(self, name: str, tolerance: float, directions: int, full: int) -> float:
        """The smallest over h of a tensor's relative error, as soon as it is within the tolerance."""
        value, best = self.tensors[name], np.inf
        for h in STEPS:
            noise = 16 * np.finfo(np.float64).eps * self.size / h
            found = [self._along(name, k, h, noise) for k in range(directions)]
            if value.size <= full:
                found.append(self._componentwise(name, h, noise))
            worst = float(np.max(found))
            if not worst > tolerance:  # NaN as well
                return worst
            best = min(best, worst)
        return best

    def _along(self, name: str, k: int, h: float, noise: float) -> float:
        g = self.gradients[name]
        v = random.normal(KEY.to(name, k), g.shape, dtype=np.float64)
        told, seen = float(np.vdot(g, v)), self._difference(name, v, h)
        return _relative(abs(told - seen) - noise, max(float(np.linalg.norm(g)), abs(seen)))

    def _componentwise(self, name: str, h: float, noise: float) -> float:
        g, units = self.gradients[name], np.eye(self.gradients[name].size)
        seen = np.array([self._difference(name, v.reshape(g.shape), h) for v in units]).reshape(g.shape)
        size = max(float(np.linalg.norm(g)), float(np.linalg.norm(seen)))
        return _relative(float(np.linalg.norm(g - seen)) - noise * g.size**0.5, size)

    def _difference(self, name: str, v: Array, h: float) -> float:
        """d(v), the central difference of L along v."""
        value = self.tensors[name]
        start, loss = value.copy(), []
        for sign in (1, -1):
            value[...] = start + sign * h * v
            loss.append([c * y for c, y in zip(self.c, self._outputs(self._step()), strict=True)])
        value[...] = start
        return sum(float((a - b).sum()) for a, b in zip(*loss, strict=True)) / (2 * h)

    def _outputs(self, step: Step) -> list[Array]:
        y = self.layer.forward(*[a.copy() for a in self.inputs], step)
        outputs = list(y) if isinstance(y, tuple | list) else [y]
        for a in outputs:
            if a.dtype != np.float64:
                raise BionasError(
                    f"{type(self.layer).__name__}: forward gives {a.dtype} for an input of float64.",
                    "Allocate with the input's dtype.",
                )
        return outputs

    def _backward(self) -> list[Array | None]:
        step = self._step()
        several = len(self._outputs(step)) > 1
        sent = self.layer.backward([c.copy() for c in self.c] if several else self.c[0].copy(), step)
        return list(sent) if len(self.inputs) > 1 else [sent]

    def _step(self) -> Step:
        return replace(self.template, tape={}, deltas={}, direction={}, tangents={}, learn=True)

    def _same_shape(self, name: str, a: Array, error: Array) -> Array:
        if error.shape != a.shape:
            raise BionasError(
                f"{type(self.layer).__name__}: backward gives an error of shape {error.shape}, "
                f"expected {name}'s, {a.shape}.",
                "Pass input_error=False where the first layer sends no error to the data.",
            )
        return np.array(error)


def _initialise(layer: Differentiable) -> list[Parameter]:
    """Names, float64 weights and random states for a layer and all below it."""
    parameters: list[Parameter] = []
    kept: dict[Parameter, Array] = {}
    for name, part in layer.walk():
        part.name = name
        for label, p in part.parameters():
            p.name = f"{name}.{label}".lstrip(".")
            parameters.append(p)
            if hasattr(p, "value"):
                kept[p] = p.value
        attach: Callable[[Key], None] | None = getattr(part, "attach", None)
        if attach is not None:
            attach(KEY)
    Arena(parameters, KEY, np.float64)
    for p in parameters:
        p.value[...] = kept.get(p, p.value)
        p.value += random.normal(KEY.to("moved").to(p.name), p.shape, 0.1, np.float64)
    return parameters


def _relative(difference: float, size: float) -> float:
    return 0.0 if difference <= 0 else difference / size
