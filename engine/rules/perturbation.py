"""Learning from noise: weight perturbation (Jabri & Flower 1992; Cauwenberghs 1993) and node perturbation
(Williams 1992; Fiete & Seung 2006), with antithetic probes."""

from typing import ClassVar

from ..backend import Array, array_module
from ..errors import UsageError
from ..rule import Maps, Rule, Signals, State


class Perturbation(Rule):
    """What both share: K probes (`probes`) of Gaussian noise ξ of deviation σ, and a factor `rate` on ΔW.

    Nothing is transported and nothing is sent down: every synapse hears how the loss answered. In a search that
    answer carries the candidate's weight on its edge, as δ does.
    """

    family = "perturbed"
    procedure = "perturbed"
    sends = "none"
    bits = 0.0
    acts_on: ClassVar[str] = ""

    def __init__(self, probes: float = 1, sigma: float = 0.01, rate: float = 1.0) -> None:
        if probes < 1 or probes != int(probes) or sigma <= 0 or rate <= 0:
            raise UsageError(
                f"rule {self.name}: probes is {probes:g}, sigma {sigma:g}, rate {rate:g}; expected a whole number "
                "of probes from 1, and sigma and rate above 0."
            )
        self.probes, self.sigma, self.rate = probes, sigma, rate

    def noise(self, probe: int, like: Array, state: State) -> Array | None:
        """ξ_k, standard normal, of like's shape; None for a probe in which this rule takes no part."""
        return state.noise(self.name, probe, like) if probe < self.probes else None


class WeightPerturbation(Perturbation):
    """WP: ΔW = -(1/K) Σ_k ξ_k (L(W + σξ_k) - L(W - σξ_k)) / 2σ.

    ξ_k ~ N(0, 1) of W's shape, K `probes`, σ `sigma`, L the mean loss of the batch. Unbiased but for terms in σ²; its
    variance grows with the number of perturbed weights of the network and falls as 1/K. From K = 2 the variance of
    the update is estimated and recorded.
    """

    name, acts_on = "wp", "weights"
    reads = ("dloss",)

    def update(self, maps: Maps, s: Signals) -> Array:
        K, W = int(self.probes), s.W
        slopes = (s.dloss[:K].mean(axis=1) / self.sigma).astype(W.dtype)  # (K,): ⟨ξ_k, ∂L/∂W⟩ + others' noise
        total = array_module(W).zeros_like(W)
        for k in range(K):
            total += slopes[k] * s.state.noise(self.name, k, W)
        self._record(slopes, total / K, s)
        dW: Array = -self.rate * total / K
        return dW

    def _record(self, slopes: Array, mean: Array, s: Signals) -> None:
        """The variance of the mean of K estimates, summed over the weights: Σ_k ‖e_k - ē‖² / K(K-1)."""
        K = len(slopes)
        if K > 1:
            apart = [slopes[k] * s.state.noise(self.name, k, s.W) - mean for k in range(K)]
            s.state.figures["variance"] = sum((a * a).sum() for a in apart) / (K * (K - 1))


class NodePerturbation(Perturbation):
    """NP: ΔW = -(1/K) Σ_k Σ_n ξ_kn ⊗ x_n (L_n(y + σξ_kn) - L_n(y - σξ_kn)) / 2σN.

    ξ_kn ~ N(0, 1) of the shape of sample n's y, K `probes`, σ `sigma`, N samples. Each sample answers for its own
    noise, which is unbiased where samples do not meet; batch norm makes them meet, and there batch=1 lets the loss of
    the whole batch answer, unbiased at about N times the variance.
    """

    name, acts_on = "np", "output"
    reads = ("x", "y", "dloss")

    def __init__(self, probes: float = 1, sigma: float = 0.01, rate: float = 1.0, batch: float = 0) -> None:
        super().__init__(probes, sigma, rate)
        self.batch = batch

    def update(self, maps: Maps, s: Signals) -> Array:
        K, y = int(self.probes), s.y
        dloss = s.dloss[:K] / (K * self.sigma * len(y))
        if self.batch:
            dloss = dloss.sum(axis=1, keepdims=True) + 0 * dloss
        answer = dloss.astype(y.dtype).reshape(*dloss.shape, *(1,) * (y.ndim - 1))
        total = sum(answer[k] * s.state.noise(self.name, k, y) for k in range(K))
        return -self.rate * maps.outer(total, s.x)
