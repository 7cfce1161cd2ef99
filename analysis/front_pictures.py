"""The front as a picture: accuracy against bits, and below it the rules of its points by place."""

from pathlib import Path
from typing import Any

import numpy as np

from .front import Front, Point, bits_at
from .style import COLOURS, drawing, figure, save

LABELLED = 8  # single-rule points that are named
LABEL = 0.12  # of the width: labels of lines stand side by side, for the lines may all but coincide


def draw(front: Front, folder: Path) -> list[Path]:
    """front.svg, front.png; and needs.* where all points of the front have the same places."""
    with drawing():
        paths = save(curve(front), folder / "front")
        if len({tuple(p.rules) for p in front.front}) == 1:
            paths += save(needs(front), folder / "needs")
    return paths


def curve(front: Front) -> Any:
    """All points, the front as steps, the reference and the shares of it that are asked for."""
    made, axes = figure(6.4, 4.0)
    others = [p for p in front.points if p not in front.front]
    axes.plot([p.bits for p in others], [p.accuracy.mean for p in others], "o", color="0.75", ms=4)
    bits, means = [p.bits for p in front.front], [p.accuracy.mean for p in front.front]
    axes.step(bits, means, where="post", color=COLOURS[0], lw=1.2)
    axes.errorbar(
        bits, means, [p.accuracy.half or 0 for p in front.front], fmt="o", color=COLOURS[0], ms=5, lw=1
    )
    name = "bp" if front.of_bp else "best"
    for place, share in enumerate((1.0, *(need.share for need in front.needs))):
        axes.axhline(share * front.reference, color="0.6", lw=0.8, ls=":")
        label = name if share == 1 else f"{100 * share:g} % of {name}"
        axes.annotate(
            label,
            (0.01 + LABEL * place, share * front.reference),
            xycoords=("axes fraction", "data"),
            xytext=(0, 1),
            textcoords="offset points",
            fontsize=7,
        )
    for point in [p for p in front.points if p.only][:LABELLED]:
        axes.annotate(
            point.only,
            (point.bits, point.accuracy.mean),
            xytext=(4, -9),
            textcoords="offset points",
            fontsize=8,
        )
    axes.set_xscale("symlog", linthresh=1, base=2)
    ticks = [0, 1, 2, 4, 8, 16, 32]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.set_xlim(-0.15, 40)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -1), min(high, 101))  # an interval over two seeds may reach far beyond
    axes.set(xlabel="transported bits per weight", ylabel=f"{front.measure} accuracy (%)")
    return made


def needs(front: Front) -> Any:
    """Places by points of the front: how many bits the rule there transports."""
    places = list(front.front[0].rules)
    made, axes = figure(max(3.2, 2.6 + 0.45 * len(front.front)), max(1.8, 0.9 + 0.2 * len(places)))
    values = np.array([[np.log2(1 + bits_at(*place)) for place in p.rules.items()] for p in front.front])
    axes.imshow(values.T, aspect="auto", cmap="viridis", vmin=0, vmax=np.log2(33), interpolation="nearest")
    for x, point in enumerate(front.front):
        for y, rule in enumerate(point.rules.values()):
            light = values[x, y] < np.log2(33) / 2
            axes.text(x, y, rule, ha="center", va="center", fontsize=6, color="w" if light else "k")
    axes.set_yticks(range(len(places)), places, fontsize=7)
    axes.set_xticks(range(len(front.front)), [column(p) for p in front.front], fontsize=7)
    axes.set_xlabel(f"points of the front:\nbits per weight, {front.measure} accuracy (%)", loc="right")
    return made


def column(point: Point) -> str:
    return f"{point.bits:.2g}\n{point.accuracy.mean:.1f}"
