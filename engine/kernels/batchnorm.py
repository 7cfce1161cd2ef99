"""The few numbers of batch norms and mixtures, a lane and channel each: from moments to maps, from sums to gradients.

    forward     ρ = 1/√(σ² + ε)     a = γρ     b = β − aμ                       y = a·x + b
                μ̄ ← μ̄ + (μ − μ̄)/10     σ̄² ← σ̄² + (σ²·M/(M − 1) − σ̄²)/10         where statistics are followed
    weigh       ρ = 1/√(σ² + ε)     a = qρ     t ← t − Σ_r aμ                    node += Σ_r a·x + t
    backward    S = ρS1,  S1 = Σ g·(x − μ)     dγ ← dγ + S     dβ ← dβ + S0 = Σ g     dq = Σ_c S
                A = sρ     B = −AρS/M     E = −A·S0/M − Bμ                       ∂L/∂x = A·g + B·x + E

μ, σ², ρ, γ, β, S0, S1 and the maps (R, C); q, dq (R); t (C); s is γ, or q (R, 1), or None for 1. M = `count` values a
channel. The statistics, the gradients, t and dq change in place.

    a, b, rstd = forward(mean, variance, Pair(gamma, beta), Pair(running_mean, running_variance), count)
    A, B, E = backward(mean, rstd, S0, S1, gamma, count, Pair(dgamma, dbeta))
"""

from typing import NamedTuple

from .arrays import Array, array_module, twins

EPSILON = 1e-5
MOMENTUM = 0.1


class Pair(NamedTuple):
    """Two arrays (R, C): γ and β, their gradients, or a mean and a variance."""

    first: Array
    second: Array


@twins
def forward(
    mean: Array, variance: Array, learned: Pair | None = None, followed: Pair | None = None, count: int = 0
) -> tuple[Array, Array, Array]:
    """(a, b, ρ); without `learned` γ is 1 and β 0."""
    if followed is not None:
        unbiased = variance * (count / max(count - 1, 1))
        for kept, value in zip(followed, (mean, unbiased), strict=True):
            kept += MOMENTUM * (value - kept)
    rstd = 1.0 / array_module(mean).sqrt(variance + EPSILON)
    a = rstd if learned is None else rstd * learned.first
    b = -mean * a if learned is None else learned.second - mean * a
    return a, b, rstd


@twins
def weigh(mean: Array, variance: Array, q: Array, t: Array) -> tuple[Array, Array]:
    """(a, ρ); t changes."""
    rstd = 1.0 / array_module(mean).sqrt(variance + EPSILON)
    a = q[:, None] * rstd
    t -= (a * mean).sum(axis=0)
    return a, rstd


@twins
def backward(
    mean: Array,
    rstd: Array,
    S0: Array,
    S1: Array,
    scale: Array | None,
    count: int,
    gradients: Pair | None = None,
    dq: Array | None = None,
) -> tuple[Array, Array, Array]:
    """(A, B, E)."""
    S = S1 * rstd
    if gradients is not None:
        for kept, value in zip(gradients, (S, S0), strict=True):
            kept += value
    if dq is not None:
        dq[...] = S.sum(axis=1)
    A = rstd if scale is None else scale * rstd
    B = -A * rstd * S / count
    return A, B, -A * S0 / count - B * mean
