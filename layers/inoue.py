"""The network of Inoue, Röhrbein & Knoblauch (2026)."""

from collections.abc import Sequence

from ..engine.parameter import gaussian_of_std
from .competition import Competition
from .layer import Layer, Sequential
from .linear import Linear
from .named import RuleOf
from .pointwise import Flatten

START = (
    0.1  # deviation of the initial hidden weights: above what they come to, so that no unit starts as a loser
)


class InoueNetwork(Sequential):
    """Images flattened, then for each hidden width linear without bias and competition, then linear to K logits.

    The hidden weights start from N(0, 0.1²), and from its magnitudes under a constraint to non-negative weights.
    """

    def __init__(self, inputs: int, classes: int, rule_of: RuleOf, hidden: Sequence[int] = (2000,)) -> None:
        layers: dict[str, Layer] = {"flatten": Flatten()}
        width = inputs
        for i, outputs in enumerate(hidden):
            layer = Linear(width, outputs, [rule_of(f"hidden{i}")], bias=False)
            layer.W.initialiser = gaussian_of_std(START)
            layers[f"hidden{i}"], layers[f"competition{i}"] = layer, Competition()
            width = outputs
        layers["classifier"] = Linear(width, classes, [rule_of("classifier")])
        next(layer for layer in layers.values() if isinstance(layer, Linear)).sends_error = False
        super().__init__(**layers)
