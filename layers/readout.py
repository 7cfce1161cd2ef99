"""A network cut into what learns one after the other: hidden layers, together or each by itself, and the read-out."""

from ..engine.errors import UsageError
from ..engine.lanes import is_taught
from .dropout import Dropout
from .layer import Layer, Sequential
from .synapse import Synapse


def hidden_and_readout(network: Layer, layerwise: bool) -> tuple[list[Sequential], Sequential]:
    """The parts below the read-out, from the images up, and the read-out: the last layer with weights, and its dropout.

    layerwise: a part for each layer with weights, with what follows it up to the next. Raises UsageError for a network
    that is no chain, and for hidden layers that could not learn without labels.
    """
    layers = list(network.layers.items()) if isinstance(network, Sequential) else []
    if not layers or not isinstance(layers[-1][1], Synapse):
        raise UsageError(
            "the network is no chain that ends in a read-out, which could learn by itself.",
            "Use krotov-hopfield, lenet, mlp, softhebb, or --set stages=one.",
        )
    cut = len(layers) - (2 if isinstance(layers[-2][1], Dropout) else 1)
    hidden = _parts(layers[:cut]) if layerwise else [layers[:cut]]
    for name, layer in layers[:cut]:
        _check(name, layer)
    return [Sequential(**dict(part)) for part in hidden], Sequential(**dict(layers[cut:]))


def synapses_of(part: Layer) -> list[Synapse]:
    return [layer for _, layer in part.walk() if isinstance(layer, Synapse)]


def _parts(layers: list[tuple[str, Layer]]) -> list[list[tuple[str, Layer]]]:
    parts: list[list[tuple[str, Layer]]] = [[]]
    for name, layer in layers:
        if synapses_of(layer) and any(synapses_of(each) for _, each in parts[-1]):
            parts.append([])
        parts[-1].append((name, layer))
    return parts


def _check(name: str, layer: Layer) -> None:
    for synapse in synapses_of(layer):
        for rule in synapse.rules:
            if is_taught(rule):
                raise UsageError(
                    f'rule "{rule}" of layer "{name}" hears of labels or errors, and hidden layers that learn before '
                    "the read-out hear of none.",
                    "Give them a local rule, or --set stages=one.",
                )
