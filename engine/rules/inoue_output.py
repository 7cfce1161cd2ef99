"""The output layer of Inoue, Röhrbein & Knoblauch (2026, Eqs. 2-4): Hebbian competition and weight perturbation."""

from ..backend import Array, array_module
from ..errors import UsageError
from ..maps import patches_of
from ..rule import Maps, Signals, State
from .inoue import activity
from .perturbation import Perturbation


class HebbAndPerturbation(Perturbation):
    """Inoue's output: ΔW = α (Aᵀ X - (Aᵀ A - diag) W) / N - β/(Kσ) Σ_k ξ_k (E(W + σξ_k) - E(W - σξ_k)) / 2.

    ξ_k ~ N(0, 1) where w ≠ 0, else 0: a synapse that is gone stays out of it. A (N, O) is the activity of the outputs,
    a = ReLU((abs(y) - μ)/σ_y) scaled to [0, 1] as in `inoue`; E is the mean loss of the batch. The paper writes its η
    into both parts and in front of their sum: here the optimiser's rate is η = 5e-4, and β is the paper's ηβ =
    5e-4 · 87,500, so that the mean of the second part is -β ∇E. The paper perturbs once, here in both directions:
    the same mean without the terms in σ².
    """

    name, acts_on = "inoue_output", "weights"
    reads = ("x", "y", "dloss")

    def __init__(
        self,
        alpha: float = 0.04,
        beta: float = 43.75,
        probes: float = 1,
        sigma: float = 0.01265,
        rate: float = 1.0,
    ) -> None:
        super().__init__(probes, sigma, rate)
        if alpha < 0 or beta < 0:
            raise UsageError(
                f"rule {self.name}: alpha is {alpha:g}, beta {beta:g}; expected 0 or more of both."
            )
        self.alpha, self.beta = alpha, beta

    def noise(self, probe: int, like: Array, state: State) -> Array | None:
        drawn = super().noise(probe, like, state)
        return None if drawn is None else drawn * (like != 0)

    def update(self, maps: Maps, s: Signals) -> Array:
        dW: Array = self.rate * (self._hebb(maps, s) + self._perturbation(s))
        return dW

    def _hebb(self, maps: Maps, s: Signals) -> Array:
        x, y, W = s.x, s.y, s.W
        a = activity(maps.units(y)).reshape(y.shape)
        others = maps.gram(a, a)
        others *= 1 - array_module(W).eye(others.shape[-1], dtype=W.dtype)
        hebb: Array = self.alpha / patches_of(a) * (maps.outer(a, x) - maps.among(others, W))
        return hebb

    def _perturbation(self, s: Signals) -> Array:
        K, W = int(self.probes), s.W
        answers = (s.dloss[:K].mean(axis=1) / self.sigma).astype(W.dtype)  # of the mean loss, to each probe
        total = sum(answers[k] * self.noise(k, W, s.state) for k in range(K))
        change: Array = -self.beta / K * total
        return change
