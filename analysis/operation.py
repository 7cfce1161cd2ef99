"""What a synapse computes, in a few words."""

from typing import Any

from ..layers.conv import Conv


def operation(layer: Any) -> str:
    """ "linear", "conv 3x3", "depthwise 5x5 stride 2", "pointwise", "grouped conv 3x3 dilation 2"."""
    if not isinstance(layer, Conv):
        return type(layer).__name__.lower()
    g = layer.geometry
    size = f"{g.kernel}x{g.kernel}"
    if g.groups == 1:
        name = "pointwise" if g.kernel == 1 else f"conv {size}"
    else:
        name = f"depthwise {size}" if g.groups == layer.channels else f"grouped conv {size}"
    stride = f" stride {g.stride}" if g.stride > 1 else ""
    return name + stride + (f" dilation {g.dilation}" if g.dilation > 1 else "")
