"""The weights of a run, for people and for programs."""

from pathlib import Path

from ..analysis.fits import NAMES
from ..analysis.weights import SMALL, LayerWeights
from .output import print_json, print_table, print_text, share

COLUMNS = ["layer", "rule", "weights", "mean", "deviation", "zero", "near zero", "best fit"]
LEGEND = (
    f"near zero: below {SMALL:.0%} of the layer's largest magnitude. Fits are of the weights that are not zero; behind "
    "each fit, how much larger its AIC is than that of the best one, a weight, and the KS distance."
)
WIDE = 160


def show(layers: list[LayerWeights], as_json: bool) -> None:
    if as_json:
        for layer in layers:
            print_json({"event": "weights", **layer.to_json()})
        return
    print_table([*COLUMNS, *(name.replace("_", " ") for name in NAMES)], map(_row, layers), WIDE)
    print_text(LEGEND)


def _row(layer: LayerWeights) -> list[str]:
    found = {fit.name: fit for fit in layer.fits}
    best = layer.fits[0] if layer.fits else None
    cells = [
        f"+{(fit.aic - best.aic) / fit.fitted:.3f}, {fit.ks:.3f}"
        if best and (fit := found.get(name))
        else "-"
        for name in NAMES
    ]
    figures = [f"{layer.mean:.3g}", f"{layer.deviation:.3g}", share(layer.zero), share(layer.nearly_zero)]
    name = best.name.replace("_", " ") if best else "-"
    return [layer.name, layer.rule, str(layer.W.size), *figures, name, *cells]


def draw(layers: list[LayerWeights], title: str, folder: Path, as_json: bool) -> None:
    from ..analysis.weight_pictures import draw_weights

    paths = draw_weights(layers, title, folder)
    if as_json:
        print_json({"event": "pictures", "paths": [str(path) for path in paths]})
    else:
        print("Pictures: " + ", ".join(path.name for path in paths if path.suffix == ".png"))
