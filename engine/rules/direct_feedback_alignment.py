"""Direct feedback alignment (Nøkland 2016)."""

from ..backend import Array
from ..kernels.product import product
from ..rule import Maps, Rule, Signals


class DirectFeedbackAlignment(Rule):
    """DFA: δx = Bᵀ e,  ΔW = -δ ⊗ x

    e = ∂L/∂logits (N, K) goes straight to the layer's input through a fixed random B (K, D), D the size of one
    input: no weight and no error of the layers between is used. The wiring is the same for every synapse,
    depthwise and strided ones included. B is drawn as Xavier's initialiser would draw a map from K errors,
    s = √(2/(K + D)). As a candidate of a search, e counts by the candidate's weight on its edge, as δ does; in
    an auxiliary head, e is that head's. On a residual sum only the branch through the synapse receives Bᵀ e; the
    shortcut still carries the error that arrived.
    """

    name = "dfa"
    bits = 0.0
    reads = ("x", "delta", "top")

    def below(self, maps: Maps, s: Signals) -> Array:
        e, size = s.top, s.x[0].size
        B = s.state.draw("direct", e, shape=(e.shape[1], size), s=(2.0 / (e.shape[1] + size)) ** 0.5)
        sent: Array = product(e, B).reshape(s.x.shape)
        return sent
