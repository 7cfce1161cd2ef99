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
CLOSE = 1e-4  # in -ln L; and in the logarithms of ν and σ, which is SciPy's usual xatol
FREEDOM = (0.01, 1e9)  # of ν
WIDTHS = (1e-12, 10.0)  # of σ, in deviations: without a limit, weights of one value have any likelihood
SHAPES = (0.01, 1e6)  # of β; a uniform distribution is the limit of large ones


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
        nu, mu, sigma = student_t(w)
        found, free = stats.t(nu, mu, sigma), {"nu": nu, "mu": mu, "sigma": sigma}
    elif name == "lognormal":
        logs = np.log(abs(w))
        found, free = (
            stats.lognorm(logs.std(), scale=np.exp(logs.mean())),
            {"mu": logs.mean(), "sigma": logs.std()},
        )
    else:
        beta, scale = stretched_exponential(abs(w))
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


def student_t(w: Floats) -> tuple[float, float, float]:
    """(ν, μ, σ) of the largest likelihood; of Gaussian weights ν is large and means nothing.

    -ln L = n (ln B(1/2, ν/2) + ½ ln ν + ln σ) + (ν + 1)/2 Σ ln(1 + ((w - μ)/σ)²/ν)
    """
    from scipy.optimize import Bounds, minimize
    from scipy.special import betaln

    z = (w - w.mean()) / w.std()

    def surprise(at: Floats) -> float:
        nu, sigma = np.exp(at[0]), np.exp(at[2])
        tails = np.log1p(((z - at[1]) / sigma) ** 2 / nu).sum()
        return float(len(z) * (betaln(0.5, nu / 2) + at[0] / 2 + at[2]) + (nu + 1) / 2 * tails)

    start = np.array([np.log(10), 0, 0])
    least, most = np.transpose([np.log(FREEDOM), (-np.inf, np.inf), np.log(WIDTHS)])
    limits = Bounds(least, most)
    at = minimize(surprise, start, bounds=limits, method="Nelder-Mead", options={"fatol": CLOSE}).x
    return float(np.exp(at[0])), float(w.mean() + w.std() * at[1]), float(w.std() * np.exp(at[2]))


def stretched_exponential(size: Floats) -> tuple[float, float]:
    """(β, λ) of the largest likelihood: λ^β = β mean(size^β), which leaves β alone to be found."""
    from scipy.optimize import minimize_scalar
    from scipy.special import gammaln

    largest = size.max()

    def scale(beta: float) -> float:
        return float((beta * ((size / largest) ** beta).mean()) ** (1 / beta))  # of the largest

    def surprise(at: float) -> float:
        beta = np.exp(at)
        return float(np.log(scale(beta)) + gammaln(1 / beta) - at + 1 / beta)

    low, high = np.log(SHAPES)
    coarse = np.linspace(low, high, 40)  # there may be two maxima
    best = int(np.argmin([surprise(at) for at in coarse]))
    near = coarse[max(best - 1, 0)], coarse[min(best + 1, 39)]
    at = minimize_scalar(surprise, bounds=near, method="bounded", options={"xatol": 1e-6}).x
    return float(np.exp(at)), float(largest * scale(np.exp(at)))


def _signed(found: Any, p: float) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Density and distribution of w, whose magnitude is distributed as `found`, and which is positive with p."""

    def pdf(w: Floats) -> Floats:
        density: Floats = np.where(w > 0, p, 1 - p) * found.pdf(abs(w))
        return density

    def cdf(w: Floats) -> Floats:
        total: Floats = np.where(w > 0, 1 - p + p * found.cdf(w), (1 - p) * found.sf(-w))
        return total

    return pdf, cdf
