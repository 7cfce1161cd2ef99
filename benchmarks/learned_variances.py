"""Picture and table of learned.py: the variance of W in each layer against accuracy (BioNAS, Fig. 6)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.style import drawing, figure, save

Found = dict[str, list[dict[str, Any]]]  # by rule, a seed each
COLUMNS = 5


def variances(run: dict[str, Any]) -> NDArray[np.float64]:
    """(L,): of W, over its initialiser's."""
    return np.array([each["variance"] for each in run["weights"]["end"].values()])


def draw(found: Found, colours: dict[str, str], out: Path) -> list[str]:
    """variance_by_layer as SVG and PNG in `out`; lines of a table in Markdown."""
    layers = list(next(iter(found.values()))[0]["weights"]["end"])
    rows = -(-len(layers) // COLUMNS)
    with drawing():
        made, axes = figure(10.5, 2.0 * rows, nrows=rows, ncols=COLUMNS, sharey=True, squeeze=False)
        for index, (panel, layer) in enumerate(zip(axes.flat, layers, strict=False)):
            for rule, runs in found.items():
                spread, reached = (
                    [variances(run)[index] for run in runs],
                    [run["test_accuracy"] for run in runs],
                )
                panel.scatter(spread, reached, color=colours[rule], s=16, label=rule)
            panel.set_title(layer, fontsize=8)
        for panel in axes.flat[len(layers) :]:
            panel.set_visible(False)
        made.supxlabel("variance of W / initial", fontsize=9)
        made.supylabel("test accuracy (%)", fontsize=9)
        made.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside right center")
        save(made, out / "variance_by_layer")
    return table(found, layers)


def table(found: Found, layers: list[str]) -> list[str]:
    """Spearman's rank correlation over the trainings, by layer; and of those whose error is not broadcast."""
    from scipy import stats

    chained = [rule for rule in found if rule != "dfa"]
    lines = ["| layer | all rules | without dfa |", "| --- | --- | --- |"]
    for index, layer in enumerate(layers):
        cells = [layer]
        for rules in list(found), chained:
            runs = [run for rule in rules for run in found[rule]]
            told = [variances(run)[index] for run in runs], [run["test_accuracy"] for run in runs]
            cells.append(f"{float(stats.spearmanr(*told).statistic):.2f}" if len(runs) > 2 else "–")
        lines.append(f"| {' | '.join(cells)} |")
    return lines
