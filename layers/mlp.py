"""The multilayer perceptron."""

from collections.abc import Sequence

from .layer import Layer, Sequential
from .linear import Linear
from .named import RuleOf
from .pointwise import Flatten, ReLU


class MLP(Sequential):
    """Images flattened, then linear and ReLU for each hidden width, then linear to K logits."""

    def __init__(
        self, inputs: int, classes: int, rule_of: RuleOf, hidden: Sequence[int] = (256, 256)
    ) -> None:
        layers: dict[str, Layer] = {}
        width = inputs
        for i, outputs in enumerate(hidden):
            layers[f"hidden{i}"] = Linear(width, outputs, [rule_of(f"hidden{i}")])
            layers[f"relu{i}"] = ReLU()
            width = outputs
        layers["classifier"] = Linear(width, classes, [rule_of("classifier")])
        first = next(iter(layers.values()))
        first.sends_error = False
        super().__init__(flatten=Flatten(), **layers)
