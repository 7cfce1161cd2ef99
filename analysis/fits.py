"""Which distribution the weights of a layer follow: Gaussian, Student's t, lognormal, stretched exponential.

    gaussian                N(μ, σ²)
    student_t               μ + σ t_ν
    lognormal               ln abs(w) ~ N(μ, σ²)
    stretched_exponential   f(abs(w)) = β / (λ Γ(1/β)) · exp(-(abs(w)/λ)^β)

The last two are of magnitudes; where weights have both signs, a weight is positive with probability p, and p is a
parameter more, so that all four are densities of w and their likelihoods compare. Each is fitted by its largest
likelihood. AIC = 2k - 2 ln L, k the number of parameters; KS the largest distance of the cumulative distributions
(without a p-value: the parameters come from the same weights). Weights that are zero are left out.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NAMES = ("gaussian", "student_t", "lognormal", "stretched_exponential")
MOST = 10_000  # weights: of more, an even choice is fitted
LEAST = 20


class Fit(NamedTuple):
    """parameters by name; log_likelihood of the weights that were `fitted`, their number; pdf: the density."""

    name: str
    parameters: dict[str, float]
    log_likelihood: float
    aic: float
    ks: float
    fitted: int
    pdf: Callable[[Floats], Floats]

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fields[:-1]}


def fits(weights: NDArray[Any]) -> list[Fit]:
    """The four fits, the best by AIC first; none of fewer than 20 weights that are not zero, or of equal ones."""
    w = chosen(weights)
    if len(w) < LEAST or np.ptp(w) == 0 or np.ptp(np.log(abs(w))) == 0:
        return []
    return sorted((_fit(name, w) for name in NAMES), key=lambda fit: fit.aic)


def chosen(weights: NDArray[Any]) -> Floats:
    """Those that are not zero, at most 10,000, evenly spread over the array."""
    w = np.asarray(weights, np.float64).ravel()
    w = w[w != 0]
    some: Floats = w if len(w) <= MOST else w[np.linspace(0, len(w) - 1, MOST).astype(int)]
    return some


def _fit(name: str, w: Floats) -> Fit:
    from scipy import stats

    if name == "gaussian":
        found, free = stats.norm(w.mean(), w.std()), {"mu": w.mean(), "sigma": w.std()}
    elif name == "student_t":
        nu, mu, sigma = stats.t.fit(w)
        found, free = stats.t(nu, mu, sigma), {"nu": nu, "mu": mu, "sigma": sigma}
    elif name == "lognormal":
        logs = np.log(abs(w))
        found, free = (
            stats.lognorm(logs.std(), scale=np.exp(logs.mean())),
            {"mu": logs.mean(), "sigma": logs.std()},
        )
    else:
        beta, _, scale = stats.halfgennorm.fit(abs(w), floc=0)
        found, free = stats.halfgennorm(beta, scale=scale), {"beta": beta, "lambda": scale}
    pdf: Any = found.pdf
    cdf: Any = found.cdf
    if name in NAMES[2:]:
        p = float((w > 0).mean())
        pdf, cdf = _signed(found, p)
        free |= {"p": p} if 0 < p < 1 else {}
    with np.errstate(divide="ignore"):  # a density may vanish in the tail: ln L = -∞
        log_likelihood = float(np.log(pdf(w)).sum())
    aic = 2 * len(free) - 2 * log_likelihood
    ks = float(stats.kstest(w, cdf).statistic)
    return Fit(name, {k: float(v) for k, v in free.items()}, log_likelihood, aic, ks, len(w), pdf)


def _signed(found: Any, p: float) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Density and distribution of w, whose magnitude is distributed as `found`, and which is positive with p."""

    def pdf(w: Floats) -> Floats:
        density: Floats = np.where(w > 0, p, 1 - p) * found.pdf(abs(w))
        return density

    def cdf(w: Floats) -> Floats:
        total: Floats = np.where(w > 0, 1 - p + p * found.cdf(w), (1 - p) * found.sf(-w))
        return total

    return pdf, cdf
