"""The network of Krotov & Hopfield (2019): one layer of competing hidden units."""

from collections.abc import Sequence

from ..engine.errors import UsageError
from ..engine.parameter import gaussian_of_std
from .activation import RelativePower
from .dropout import Dropout
from .layer import Layer, Sequential
from .linear import Linear
from .named import RuleOf
from .pointwise import Flatten

LONG = 1.0  # deviation of the initial weights: longer than they end, so that each unit wins some image and none dies


class KrotovHopfieldNetwork(Sequential):
    """Images flattened, linear to `hidden` units without bias, their currents to the power n, linear to K logits."""

    def __init__(
        self,
        inputs: int,
        classes: int,
        rule_of: RuleOf,
        hidden: Sequence[int] = (2000,),
        *,
        power: float = 4.5,
        dropout: float = 0.0,
    ) -> None:
        if len(hidden) != 1 or power < 1:
            raise UsageError(
                f"krotov-hopfield: hidden is {list(hidden)}, expected one layer; power {power:g}, 1 or more."
            )
        layer = Linear(inputs, hidden[0], [rule_of("hidden0")], bias=False)
        layer.sends_error = False
        layer.s, layer.W.initialiser = LONG, gaussian_of_std(LONG)
        layers: dict[str, Layer] = {"flatten": Flatten(), "hidden0": layer, "power0": RelativePower(power)}
        layers["dropout"] = Dropout(dropout)
        layers["classifier"] = Linear(hidden[0], classes, [rule_of("classifier")])
        super().__init__(**layers)
