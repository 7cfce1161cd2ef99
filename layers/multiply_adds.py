"""How many multiplications a network asks for on one image, counted on a forward pass."""

import numpy as np

from ..engine.step import Step
from .conv import Conv
from .linear import Linear
from .model import Model


def multiply_adds(model: Model, shape: tuple[int, int, int]) -> int:
    """Multiply-adds of all convolutions and linear layers on an image of `shape` (C, H, W); a bias adds one an output.

    Norms, rectifiers, pools and sums are not counted: so NAS-Bench-201 (Dong & Yang 2020) states its FLOPs.
    """
    step = Step(model.key, training=False, learn=False, keep_tape=True)  # a kept tape: no layer fuses
    model.network.forward(model.images(np.zeros((1, *shape))), step)
    total = 0
    for synapse in model.synapses:
        (x,) = step.tape[synapse]
        positions = 1
        if isinstance(synapse, Conv):
            positions = int(np.prod([synapse.geometry.out_size(side) for side in x.shape[3:]]))
        total += positions * synapse.W.size
        if isinstance(synapse, Linear) and synapse.b is not None:
            total += synapse.b.size
    return total
