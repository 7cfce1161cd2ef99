"""Curves of table_search.py: mean accuracy over seeds after so many evaluations, one standard error around it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.style import COLOURS, drawing, figure, save

LOWEST = 90.0  # %: what lies below is of the first few evaluations


def draw(found: Mapping[str, NDArray[np.float64]], out: Path, validation: bool) -> list[Path]:
    """table_search.svg and .png in `out`."""
    with drawing():
        made = curves(found, "validation" if validation else "test")
        out.mkdir(parents=True, exist_ok=True)
        return save(made, out / "table_search")


def curves(found: Mapping[str, NDArray[np.float64]], kind: str) -> Any:
    """Of accuracies (seeds, evaluations) by row."""
    made, axes = figure(7.6, 3.8)
    for (row, accuracies), colour in zip(found.items(), COLOURS, strict=False):
        mean = accuracies.mean(axis=0)
        error = accuracies.std(axis=0, ddof=1) / len(accuracies) ** 0.5
        evaluations = np.arange(1, len(mean) + 1)
        axes.plot(evaluations, mean, color=colour, lw=1.4, label=row)
        axes.fill_between(evaluations, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
    highest = max(float(accuracies.mean(axis=0).max()) for accuracies in found.values())
    axes.set(xlabel="evaluations", ylabel=f"{kind} accuracy of the best by validation (%)")
    axes.set_ylim(max(LOWEST, axes.get_ylim()[0]), highest + 0.15)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    return made
