"""Pictures of weights: each layer's distribution with what was fitted to it, and the first layer's kernels."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.atomic import output_errors
from .fits import chosen
from .style import COLOURS, drawing, figure, save
from .weights import LayerWeights

KERNELS = 100  # of more units, the first hundred are drawn
FRAME = 1  # pixels between two kernels
FRAME_COLOUR = "0.6"  # between those of one colour, whose zeros are nearly white
LAYERS = 12  # of more layers, an even choice has its distribution drawn


def draw_weights(layers: list[LayerWeights], title: str, folder: Path) -> list[Path]:
    """SVG and PNG; the paths."""
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with drawing():
        paths = save(distributions(layers, title), folder / "weights")
        for layer in layers:
            if layer.image is not None:
                paths += save(kernels(layer, title), folder / f"kernels_{layer.name.replace('#', '_')}")
    return paths


def distributions(layers: list[LayerWeights], title: str) -> Any:
    """A panel a layer: the histogram of the weights that are not zero, and the four densities."""
    shown = [
        layers[i] for i in np.unique(np.linspace(0, len(layers) - 1, min(len(layers), LAYERS)).astype(int))
    ]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    made, axes = figure(3.4 * columns, 2.6 * rows + 0.3, nrows=rows, ncols=columns, squeeze=False)
    for panel in axes.flat[len(shown) :]:
        panel.set_axis_off()
    for panel, layer in zip(axes.flat, shown, strict=False):
        _distribution(panel, layer)
    named = max(axes.flat, key=lambda panel: len(panel.get_legend_handles_labels()[0]))
    made.legend(*named.get_legend_handles_labels(), loc="outside lower center", ncols=2 * columns, fontsize=7)
    made.supxlabel("weight", fontsize=8)
    made.supylabel("density", fontsize=8)
    made.suptitle(f"{title}: weights", fontsize=10)
    return made


def _distribution(panel: Any, layer: LayerWeights) -> None:
    w = chosen(layer.W)
    panel.set_title(f"{layer.name}\n{layer.rule}, {100 * layer.zero:.0f} % zero", fontsize=8)
    panel.tick_params(labelsize=7)
    if not len(w):
        return
    density, edges = np.histogram(w, bins=80, density=True)
    panel.stairs(density, edges, fill=True, color="0.85")
    at = np.linspace(edges[0], edges[-1], 400)
    at = at[at != 0]
    for k, fit in enumerate(sorted(layer.fits, key=lambda fit: fit.name)):
        best = fit is layer.fits[0]
        label = fit.name.replace("_", " ")
        panel.plot(at, fit.pdf(at), color=COLOURS[k], lw=1.8 if best else 0.9, label=label)
    panel.set_yscale("log")
    seen = density[density > 0]
    panel.set_ylim(seen.min() / 2, seen.max() * 3)


def kernels(layer: LayerWeights, title: str) -> Any:
    """What each unit of the first layer looks for: colours where images have three, else red above and blue below 0."""
    from matplotlib import colormaps  # type: ignore[import-not-found, unused-ignore]  # an extra

    drawn = grid(layer)
    coloured, shades = drawn.ndim == 3, colormaps["RdBu_r"].with_extremes(bad=FRAME_COLOUR)
    height = min(9.0, 6.0 * drawn.shape[0] / drawn.shape[1])
    made, axes = figure(6.0, height + 0.4)
    axes.imshow(
        drawn,
        interpolation="nearest",
        **({} if coloured else {"cmap": shades, "vmin": -1, "vmax": 1}),
    )
    axes.set_axis_off()
    units = f", the first {KERNELS} of {len(layer.W)} units" if len(layer.W) > KERNELS else ""
    zero = "0 is grey" if coloured else "red above 0, blue below"
    axes.set_title(
        f"{title}: kernels of {layer.name}{units}\neach over its largest magnitude; {zero}", fontsize=9
    )
    return made


def grid(layer: LayerWeights) -> NDArray[np.float64]:
    """(rows, columns) in [-1, 1], NaN between kernels, or (rows, columns, 3) in [0, 1]; each kernel over its own
    largest magnitude."""
    assert layer.image is not None
    W = np.asarray(layer.W, np.float64).reshape(-1, *layer.image)[:KERNELS]
    W = W / np.maximum(abs(W).max(axis=(1, 2, 3), keepdims=True), np.finfo(float).tiny)
    count, (C, height, width) = len(W), layer.image
    W = 0.5 + 0.5 * W if C == 3 else W.mean(axis=1, keepdims=True)
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    tall, wide = height + FRAME, width + FRAME
    drawn = np.full((rows * tall - FRAME, columns * wide - FRAME, W.shape[1]), 1.0 if C == 3 else np.nan)
    for k, kernel in enumerate(W):
        i, j = divmod(k, columns)
        drawn[i * tall : i * tall + height, j * wide : j * wide + width] = kernel.transpose(1, 2, 0)
    return drawn if C == 3 else drawn[..., 0]
