"""The picture of histograms: how x, y, δ, W, B and ΔW of every layer are distributed over signed magnitudes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .course import WINDOW, Course
from .histogram import EDGES, MOST, SIDE, centres, octaves
from .numbers import HISTOGRAMS
from .style import figure, shades

NAMES = {"x": "x, input", "y": "y, output", "delta": "δ, error", "W": "W", "B": "B, feedback", "dW": "ΔW"}
SEEN = 0.002  # of all values: smaller magnitudes that few have are left out
LABELS = 12  # layers that a legend can name
LABEL = 0.36  # of half an axis: the room that the label of a tick needs


def histograms(course: Course) -> Any:
    """Of the last window. The axis is logarithmic on both sides; zeros and what is close to them are left out."""
    made, axes = figure(9.0, 4.8, nrows=2, ncols=3)
    shade = shades(len(course.rows))
    for panel, signal in zip(axes.flat, HISTOGRAMS, strict=True):
        counts = course.counts(signal, WINDOW)
        least, most = seen(counts)
        for i, of in enumerate(counts):
            if of.sum():
                label = course.rows[i].name if len(course.rows) <= LABELS else None
                _sides(panel, of, least, most, color=shade(i), label=label)
        _decades(panel, least, most)
        panel.set_title(NAMES[signal], fontsize=9)
        panel.set_ylim(0, None)
        panel.tick_params(labelsize=7)
    for panel in axes[:, 0]:
        panel.set_ylabel("share per octave", fontsize=8)
    made.suptitle(f"{course.title}: signed magnitudes", fontsize=10)
    if len(course.rows) <= LABELS:
        made.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", fontsize=7)
    return made


def seen(counts: NDArray[np.int64]) -> tuple[int, int]:
    """The bins of one sign, counted from 0, between which nearly all values lie that are not zero."""
    sides = (counts[:, SIDE + 1 :] + counts[:, :SIDE][:, ::-1]).sum(axis=0)
    if not sides.any():
        return 0, 1
    below = np.searchsorted(sides.cumsum(), SEEN * sides.sum())
    return int(below), int(np.flatnonzero(sides)[-1]) + 1


def _sides(panel: Any, of: NDArray[np.int64], least: int, most: int, **style: Any) -> None:
    share = of / of.sum() / octaves()
    bins, borders = np.arange(least + 1, most + 1), np.append(EDGES[SIDE:], 2.0**MOST)[least : most + 1]
    at = np.log10(borders) - _origin(least)
    for sign in (-1, 1):
        panel.stairs(share[SIDE + sign * bins], sign * at, lw=1.0, **style)
        style.pop("label", None)


def _origin(least: int) -> float:
    """log10 of the magnitude in the middle of the axis."""
    return float(np.log10(EDGES[SIDE + least])) - 0.3


def _decades(panel: Any, least: int, most: int) -> None:
    """Ticks at powers of ten, two or three a side; within one decade, at its largest magnitude."""
    low, high = _origin(least), float(np.log10(centres()[SIDE + most]))
    apart = LABEL * (high - low)
    powers = np.arange(int(np.ceil(low + apart / 2)), int(np.floor(high)) + 1)
    powers = powers[:: -max(1, int(np.ceil(apart)))]
    names = [f"10^{{{p}}}" for p in powers]
    if not len(powers):
        powers, names = np.array([high]), [f"{10**high:.2g}"]
    panel.set_xticks(
        [*(powers - low), *(low - powers)], [f"${name}$" for name in names] + [f"$-{name}$" for name in names]
    )
    panel.axvline(0, color="0.8", lw=0.8)
