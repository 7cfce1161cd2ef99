"""ΔW of the local rules, from their papers' equations, patch by patch as unfolding gives them.

X (G, P, D): what the units of each group see, all patches of all samples; W (G, U, D); Y = X Wᵀ + b (G, P, U).
"""

from collections.abc import Callable
from typing import NamedTuple

from torch_rules import Tensor, name_of, options_of, torch

F = torch.nn.functional


class Seen(NamedTuple):
    X: Tensor
    W: Tensor
    Y: Tensor
    modulator: float

    def normaliser(self, options: dict[str, str]) -> float | Tensor:
        """The number of patches; or, by default, the sum of their ‖x‖², as their group sees them."""
        if options.get("normalise") == "0":
            return float(self.X.shape[1])
        return self.X.square().sum((1, 2), keepdim=True)


Options = dict[str, str]
Update = Callable[[Seen, Options], Tensor]  # (G, U, D), before the rule's own rate


def hebbian(s: Seen, _: Options) -> Tensor:
    """⟨ŷ ⊗ x̂⟩ (Hamzaoui & Baghdadi 2025)."""
    y, x = (F.normalize(a, dim=2, eps=1e-30) for a in (s.Y, s.X))
    return (y.mT @ x) / s.X.shape[1]


def three_factor(s: Seen, options: Options) -> Tensor:
    """m times that (Frémaux & Gerstner 2016)."""
    return s.modulator * hebbian(s, options)


def oja(s: Seen, options: Options) -> Tensor:
    """Yᵀ (X - Y W) (Oja 1989)."""
    return s.Y.mT @ (s.X - s.Y @ s.W) / s.normaliser(options)


def hpca(s: Seen, options: Options) -> Tensor:
    """By deflation: unit o learns y_o (x - Σ_{u ≤ o} y_u w_u) (Sanger 1989)."""
    left, rows = s.X, []
    for o in range(s.W.shape[1]):
        left = left - s.Y[:, :, o, None] * s.W[:, o, None]
        rows.append((s.Y[:, :, o, None] * left).sum(1))
    return torch.stack(rows, 1) / s.normaliser(options)


def swta(s: Seen, options: Options) -> Tensor:
    """Σ C G (x - w), G = softmax(t y), C = G / Σ G over the patches (Lagani et al. 2022)."""
    G = F.softmax(float(options.get("t", 1)) * s.Y, 2)
    return towards(G * G / G.sum(1, keepdim=True), s, torch.ones_like(G))


def softhebb(s: Seen, options: Options) -> Tensor:
    """Σ y (x - u w), y = softmax(t u), of all but the winner with its sign turned; the layer's largest step is 1
    before a unit's own scale √|‖w‖ - 1| (Journé et al. 2023).
    """
    signs = -torch.ones_like(s.Y)
    signs = signs.scatter(2, by_strength(s.Y)[:, :, :1], 1.0)
    y = signs * F.softmax(float(options.get("t", 1)) * s.Y, 2)
    dW = towards(y, s, s.Y)
    return dW / dW.abs().max() * (s.W.norm(dim=2, keepdim=True) - 1).abs().sqrt()


def krotov_hopfield(s: Seen, options: Options) -> Tensor:
    """Σ g (x - ⟨w, x⟩_p w), g = 1 for the winner, -Δ for rank k; over its largest (Krotov & Hopfield 2019)."""
    p, k = float(options.get("p", 2)), int(options.get("k", 2))
    current = s.X @ (s.W.sign() * s.W.abs() ** (p - 1)).mT
    order = by_strength(current)
    g = torch.zeros_like(current).scatter(2, order[:, :, :1], 1.0)
    if current.shape[2] >= k:
        g = g.scatter(2, order[:, :, k - 1 : k], -float(options.get("anti", 0.4)))
    dW = towards(g, s, current)
    return dW / dW.abs().max()


def inoue(s: Seen, options: Options) -> Tensor:
    """Zᵀ (X - Z W), over Σ z² of the group or over the patches (Inoue et al. 2026, Eq. 1)."""
    z = activity(s.Y)
    over = s.X.shape[1] if options.get("normalise") == "0" else z.square().sum((1, 2), keepdim=True)
    return (z.mT @ (s.X - z @ s.W)) / torch.as_tensor(over).clamp_min(1e-300)


def inoue_output(s: Seen, options: Options) -> Tensor:
    """The Hebbian part of Eqs. 2-4: unit o learns a_o (x - Σ_{u ≠ o} a_u w_u), its own decay left out."""
    a = activity(s.Y)
    own = a.square().sum(1).unsqueeze(2) * s.W
    hebb = a.mT @ (s.X - a @ s.W) + own
    return float(options.get("alpha", 0.04)) * hebb / s.X.shape[1]


def activity(Y: Tensor) -> Tensor:
    """ReLU((|y| - μ)/σ) over the units of a patch, scaled to [0, 1]; 0 where all answer alike."""
    size = Y.abs()
    mean, deviation = size.mean(2, keepdim=True), size.std(2, correction=0, keepdim=True)
    z = F.relu((size - mean) / deviation.clamp_min(1e-300))
    return z / z.amax(2, keepdim=True).clamp_min(1e-300)


def by_strength(current: Tensor) -> Tensor:
    """The units in the order of their strength at each patch; of equals the first is the stronger."""
    return torch.sort(current, dim=2, descending=True, stable=True).indices


def towards(gain: Tensor, s: Seen, reach: Tensor) -> Tensor:
    """Σ_patches gain (x - reach w)."""
    return gain.mT @ s.X - (gain * reach).sum(1).unsqueeze(2) * s.W


UPDATES: dict[str, Update] = {
    f.__name__: f for f in (hebbian, three_factor, oja, hpca, swta, softhebb, krotov_hopfield, inoue)
}
RATES = {"hebbian": 0.1, "three_factor": 0.1, "softhebb": 0.02, "krotov_hopfield": 0.02}


def update(rule: str, seen: Seen) -> Tensor:
    """ΔW (G, U, D) of a local rule."""
    name, options = name_of(rule), options_of(rule)
    return float(options.get("rate", RATES.get(name, 1.0))) * UPDATES[name](seen, options)
