"""What is measured of one synapse in one pass, for each of its lanes. Everything stays on the device."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..engine.backend import Array, array_module
from ..engine.lanes import Blend, transports
from ..engine.probe import Told
from ..engine.rule import Rule
from .histogram import BINS, histogram
from .likeness import likeness, norm
from .numbers import EACH_STEP, HISTOGRAMS

FEW = 8  # samples on which it is looked whether what was sent is Bᵀδ: each sample's error is sent by itself


class Lane(NamedTuple):
    """One lane's arrays, without the lane axis; None where there is none.

    local: Wᵀδ; descent: -δ ⊗ x, both for the δ that arrived. through_B: B δx of the first FEW samples, where δx is sent
    through a B.
    """

    x: Array
    y: Array | None
    delta: Array
    below: Array | None
    dW: Array | None
    W: Array
    B: Array | None
    delta_exact: Array | None
    below_exact: Array | None
    dW_exact: Array | None
    local: Array | None
    descent: Array | None
    through_B: Array | None

    def histograms(self) -> Array:
        """(len(HISTOGRAMS), BINS); zeros where there is no such signal."""
        xp = array_module(self.x)
        found = [getattr(self, name) for name in HISTOGRAMS]
        stacked: Array = xp.stack([xp.zeros(BINS, np.int64) if v is None else histogram(v) for v in found])
        return stacked


def lanes_of(layer: Any, told: Told, with_y: bool = True) -> Iterator[Lane]:
    """Lanes that share an input send one summed error; here each has its own, made by its rule for this purpose."""
    s, lanes = told.s, layer.lanes
    split = {name: _laned(told[name], lanes) for name in ("dW", "W", "dW_exact")}
    feedback, y = layer.feedback_weights(), told["y"] if with_y else None
    exact = told["delta_exact"]
    for r, rule in enumerate(layer.rules):
        x = s.x[:, r if s.x.shape[1] > 1 else 0]
        W, delta = split["W"][r], s.delta[:, r]
        delta_exact = None if exact is None else exact[:, r]
        below, below_exact = _sent(layer, told, r, x, delta_exact)
        through_B = None
        if below is not None and feedback[r] is not None and sends_through_B(rule):
            through_B = s.maps.push(below[:FEW], feedback[r])
        yield Lane(
            x=x,
            y=None if y is None else y[:, r],
            delta=delta,
            below=below,
            dW=split["dW"][r],
            W=W,
            B=feedback[r],
            delta_exact=delta_exact,
            below_exact=below_exact,
            dW_exact=split["dW_exact"][r],
            local=None if below is None else s.maps.pull(delta, W),
            descent=None if split["dW"][r] is None else -s.maps.outer(delta, x),
            through_B=through_B,
        )


def _laned(value: Array | None, lanes: int) -> Any:
    if value is None:
        return [None] * lanes
    return value if lanes > 1 else value[None]


def _sent(
    layer: Any, told: Told, r: int, x: Array, delta_exact: Array | None
) -> tuple[Array | None, Array | None]:
    """What lane r sent, and what it would have sent by the exact gradient."""
    s, below, exact = told.s, told["below"], told["below_exact"]
    if below is None:
        return None, None
    if below.shape[1] == layer.lanes:
        return below[:, r], None if exact is None else exact[:, r]
    rule = layer.rules[r]
    own = array_module(x).zeros_like(x) if rule.sends == "none" else rule.below(s.maps, s.lane(r, rule))
    return own, None if delta_exact is None else s.maps.pull(delta_exact, s.W[r])


def sends_through_B(rule: Rule) -> bool:
    """Whether the error that is sent is Bᵀδ of the rule's feedback weights, all of it."""
    return all(map(transports, rule.rules if isinstance(rule, Blend) else [rule]))


def numbers(lane: Lane) -> Array:
    """(len(EACH_STEP),) float64; NaN where a number has no meaning."""
    xp = array_module(lane.x)
    with np.errstate(all="ignore"):
        found = _norms(lane) | _angles(lane) | _units(lane.x)
        found["sent_error"] = _sent_error(lane)
        found["variance_W"] = lane.W.var(dtype=np.float64)
    row: Array = xp.stack([xp.asarray(found.get(name, np.nan), np.float64) for name in EACH_STEP])
    return row


def _norms(lane: Lane) -> dict[str, Any]:
    of = {"x": lane.x, "delta": lane.delta, "below": lane.below, "update": lane.dW, "W": lane.W, "B": lane.B}
    exact = {"delta": lane.delta_exact, "below": lane.below_exact, "update": lane.dW_exact}
    pairs = of | {f"{name}_exact": value for name, value in exact.items()}
    return {f"norm_{name}": norm(value) for name, value in pairs.items() if value is not None}


def _angles(lane: Lane) -> dict[str, Any]:
    pairs = {
        "delta": (lane.delta, lane.delta_exact),
        "below": (lane.below, lane.below_exact),
        "below_local": (lane.below, lane.local),
        "update": (lane.dW, lane.dW_exact),
        "update_local": (lane.dW, lane.descent),
        "feedback_weights": (lane.B, lane.W),
    }
    alike = {n: likeness(u, v) for n, (u, v) in pairs.items() if u is not None and v is not None}
    found: dict[str, Any] = {f"angle_{name}": each.angle for name, each in alike.items()}
    if "update" in alike:
        found["sign_agreement"] = alike["update"].agreement
    if "below" in alike:
        found["sign_agreement_below"] = alike["below"].agreement
    turned = [likeness(lane.B, T).angle for T in transposed(lane.W)] if lane.B is not None else []
    if turned:
        found["angle_transposed"] = array_module(lane.W).stack(turned).min()
    return found


def transposed(W: Array) -> list[Array]:
    """What a mistaken transpose makes of W: axes of outputs and inputs exchanged, kernels turned by 180 degrees."""
    found = []
    if W.ndim == 4 and W.shape[-1] > 1:
        found.append(W[..., ::-1, ::-1])
    if min(W.shape[:2]) > 1:  # else both orders hold the same numbers in the same places
        swapped = W.swapaxes(0, 1)
        found.append(swapped.reshape(W.shape))
        if W.ndim == 4 and W.shape[-1] > 1:
            found.append(swapped[..., ::-1, ::-1].reshape(W.shape))
    return found


def _sent_error(lane: Lane) -> Any:
    if lane.through_B is None or lane.below is None:
        return np.nan
    square = norm(lane.below[:FEW]) ** 2
    told = (lane.through_B.astype(np.float64) * lane.delta[:FEW]).sum()
    return abs(square - told) / array_module(lane.x).maximum(square, np.finfo(np.float64).tiny)


def _units(x: Array) -> dict[str, Any]:
    """Of an input (N, C, H, W) or (N, D)."""
    xp, zero = array_module(x), x == 0
    size = abs(x)
    bound = xp.where(size.max() > 0, 0.99 * size.max(), xp.inf).astype(x.dtype)
    over = tuple(axis for axis in range(x.ndim) if axis != 1)
    zeros = xp.count_nonzero(zero)
    return {
        "sparsity": zeros / x.size,
        "dead": zero.all(axis=over).mean(),
        "saturation": xp.count_nonzero(size >= bound) / xp.maximum(x.size - zeros, 1),
    }
