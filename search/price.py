"""The price of weight transport: what the rules of an architecture demand of biology, in bits a weight.

    bits(α) = Σ_e Σ_k p_ek n_ek b_k / Σ_e Σ_k p_ek n_ek

b_k the bits per weight that candidate k's rule transports (BP 32, qSF(b) b, sign rules 1, FA and DFA 0) and n_ek
its number of weights on edge e. α's objective is L_val + price · bits(α): the price is loss per bit.
"""

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import array_module
from ..layers.candidates import OPERATIONS
from ..layers.layer import Layer
from ..layers.synapse import Synapse
from .architecture import Architecture

Floats = NDArray[np.float64]


def expected_bits(architecture: Architecture, weights: Floats) -> tuple[Floats, Floats]:
    """bits(α), 0-d, and its derivative ∂bits/∂p (2, edges, K), where α lies. weights: `candidate_weights`,
    there too.

    (0, 0) where all weights are 0.
    """
    p = architecture.probabilities()
    bits = architecture.bits
    total = array_module(p).maximum((p * weights).sum(), np.finfo(p.dtype).tiny)
    mean = (p * weights * bits).sum() / total
    return mean, weights * (bits - mean) / total


def candidate_weights(architecture: Architecture, channels: int) -> Floats:
    """n (2, edges, K): weights of each candidate at `channels`; a skip has some where its stride is 2."""
    counts = np.zeros(architecture.alpha.shape)
    sources = [j for i in range(architecture.nodes) for j in range(i + 2)]
    for kind in (0, 1):
        for e, source in enumerate(sources):
            stride = 2 if kind == 1 and source < 2 else 1
            counts[kind, e] = [
                _count(OPERATIONS[c.operation].build(channels, stride, [rule], False))
                for c, rule in zip(architecture.candidates, architecture.rules, strict=True)
            ]
    return counts


def _count(body: Layer | None) -> int:
    layers = [] if body is None else [layer for _, layer in body.walk()]
    return sum(layer.W.size for layer in layers if isinstance(layer, Synapse))
