"""Pictures and table of learned.py: angles by layer, first and last; the weights (BioNAS, Figs. 4 to 6)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.style import colour_of, drawing, figure, save
from . import learned_variances
from .learned_variances import variances
from .watched_pictures import spread

Found = dict[str, list[dict[str, Any]]]  # by rule, a seed each
Floats = NDArray[np.float64]

ANGLES = {
    "angle_feedback_weights": "B to W (°)",
    "angle_update": "ΔW to the exact gradient (°)",
}


def draw(found: Found, out: Path) -> list[str]:
    """angles_by_layer, weights and variance_by_layer as SVG and PNG in `out`; lines of tables in Markdown."""
    if not found:
        return ["Nothing is finished."]
    colours = colour_of(list(found))
    with drawing():
        save(_angles(found, colours), out / "angles_by_layer")
        save(_weights(found, colours), out / "weights")
    return [*table(found), "", *learned_variances.draw(found, colours, out)]


def profile(run: dict[str, Any], when: str, name: str) -> Floats:
    """(L,): NaN where a layer has no such number."""
    return np.array([np.nan if each[name] is None else each[name] for each in run["angles"][when]])


def _angles(found: Found, colours: dict[str, str]) -> Any:
    """Mean over seeds, by layer from the data to the loss: dashed at the first step, solid at the end."""
    made, axes = figure(9.5, 3.8, ncols=2)
    for panel, (name, title) in zip(axes, ANGLES.items(), strict=True):
        for rule, runs in found.items():
            for when, style in (
                ("start", {"ls": ":", "lw": 1.2}),
                ("end", {"lw": 1.6, "marker": ".", "ms": 4}),
            ):
                values = np.mean([profile(run, when, name) for run in runs], axis=0)
                label = rule if when == "end" else None
                if not np.isnan(values).all():
                    panel.plot(values, color=colours[rule], label=label, **style)
        panel.axhline(90, color="0.8", lw=0.8, zorder=0)
        panel.set(xlabel="layer, from the data to the loss", title=title, ylim=(-3, 100))
        panel.set_yticks(range(0, 91, 15))
        panel.xaxis.get_major_locator().set_params(integer=True)
    axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    made.suptitle(f"dotted: first step; solid: after {_updates(found)} updates", fontsize=10)
    return made


def _weights(found: Found, colours: dict[str, str]) -> Any:
    """Distributions of W over its initialiser's deviation; variance by layer; variance against accuracy."""
    made, (left, middle, right) = figure(11.5, 3.6, ncols=3)
    some = next(iter(found.values()))
    _density(left, some, "start", color="0.5", ls=":", lw=1.4, label="at the start")
    for rule, runs in found.items():
        style = {"color": colours[rule], "label": rule, "lw": 1.4}
        _density(left, runs, "end", **style)
        middle.plot(np.mean([variances(run) for run in runs], axis=0), marker=".", ms=4, **style)
        spread, reached = [np.mean(variances(run)) for run in runs], [run["test_accuracy"] for run in runs]
        right.scatter(spread, reached, color=colours[rule], s=22, label=rule)
    left.set(
        xlabel="W / deviation of its initialiser",
        ylabel="density",
        yscale="log",
        ylim=(1e-4, 1),
        xlim=(-6, 6),
    )
    left.legend(fontsize=7, loc="upper right")
    middle.set(xlabel="layer, from the data to the loss", ylabel="variance of W / initial", yscale="log")
    middle.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"], minor=False)
    middle.set_yticks([], minor=True)
    middle.xaxis.get_major_locator().set_params(integer=True)
    right.set(xlabel="variance of W / initial, mean over layers", ylabel="test accuracy (%)")
    return made


def _density(panel: Any, runs: list[dict[str, Any]], when: str, **style: Any) -> None:
    counts = np.sum([each["counts"] for run in runs for each in run["weights"][when].values()], axis=0)
    edges = np.linspace(-6, 6, len(counts) + 1)
    density = counts / counts.sum() / np.diff(edges)
    panel.plot((edges[1:] + edges[:-1]) / 2, np.where(density > 0, density, np.nan), **style)


def table(found: Found) -> list[str]:
    """Means over layers, of angles over those below the classifier; ± standard error over seeds."""
    heads = ["B–W, first step (°)", "B–W, end (°)", "ΔW, first step (°)", "ΔW, end (°)"]
    heads += ["variance of W / initial", "excess kurtosis of W", "test accuracy (%)"]
    lines = [f"| rule | {' | '.join(heads)} |", "| --- " * (len(heads) + 1) + "|"]
    for rule, runs in found.items():
        cells = [
            spread([_mean(profile(run, when, name)) for run in runs])
            for name in ANGLES
            for when in ("start", "end")
        ]
        cells.append(spread([float(variances(run).mean()) for run in runs], ".2f"))
        cells.append(spread([_kurtosis(run) for run in runs], ".2f"))
        cells.append(spread([run["test_accuracy"] for run in runs], ".2f"))
        lines.append(f"| {rule} | {' | '.join(cells)} |")
    return lines


def _mean(values: Floats) -> float:
    """Over the layers below the classifier, which each of these rules gives the exact ΔW."""
    there = values[:-1][~np.isnan(values[:-1])]
    return float(there.mean()) if there.size else float("nan")


def _kurtosis(run: dict[str, Any]) -> float:
    return float(np.mean([each["kurtosis"] for each in run["weights"]["end"].values()]))


def _updates(found: Found) -> int:
    return int(next(iter(found.values()))[0]["updates"])
