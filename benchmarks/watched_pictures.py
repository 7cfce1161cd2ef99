"""Picture and table of trainings under inspection (watched.py): means over seeds, the seeds as thin lines."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.course import Course
from ..analysis.reading import read_signals
from ..analysis.style import colour_of, drawing, figure, save

Runs = dict[str, list[tuple[Course, float]]]  # by rule, a seed each: its course and test accuracy
Floats = NDArray[np.float64]

ANGLES = {
    "angle_feedback_weights": "B to W (°)",
    "angle_below": "the error sent to the exact one (°)",
    "angle_update": "ΔW to the exact gradient (°)",
}


def draw(out: Path, rules: Sequence[str], seeds: Sequence[str]) -> list[str]:
    """angles.svg and .png of what is finished, in `out`; lines of a table in Markdown."""
    runs = {rule: found for rule in rules if (found := finished(out, rule, seeds))}
    if not runs:
        return ["Nothing is finished."]
    with drawing():
        made, axes = figure(11.0, 3.5, ncols=len(ANGLES), sharey=True)
        for panel, (name, title) in zip(axes, ANGLES.items(), strict=True):
            _curves(panel, runs, name)
            panel.axhline(90, color="0.8", lw=0.8, zorder=0)
            panel.set(xlabel="update", title=title)
            panel.set_yticks(range(0, 91, 15))
        axes[0].set_ylim(-3, max(100.0, axes[0].get_ylim()[1]))
        axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        save(made, out / "angles")
    return table(runs)


def finished(out: Path, rule: str, seeds: Sequence[str]) -> list[tuple[Course, float]]:
    results = [out / f"{rule}-{seed}" / "result.json" for seed in seeds]
    return [
        (read_signals(path.parent), float(json.loads(path.read_text())["test_accuracy"]))
        for path in results
        if path.exists()
    ]


def over_layers(course: Course, name: str) -> Floats:
    """(T,): mean over the layers below the classifier that have this number; NaN where none has.

    The classifier is left out: each of these rules gives it the exact ΔW.
    """
    values = course.of(name)[:, :-1]
    has = ~np.isnan(values)
    total, count = np.where(has, values, 0).sum(axis=1), has.sum(axis=1)
    mean: Floats = total / np.where(count, count, np.nan)
    return mean


def _curves(panel: Any, runs: Runs, name: str) -> None:
    colours = colour_of(list(runs))
    for rule, done in runs.items():
        curves = [over_layers(course, name) for course, _ in done]
        updates = done[0][0].updates
        for curve in curves:
            panel.plot(updates, curve, color=colours[rule], lw=0.5, alpha=0.6)
        panel.plot(updates, np.mean(curves, axis=0), color=colours[rule], lw=1.8, label=rule)


def table(runs: Runs) -> list[str]:
    """Means over layers below the classifier; ± standard error over seeds. End: the last tenth of what was recorded."""
    heads = [f"{title}, {when}" for title in ("B–W", "error sent", "ΔW") for when in ("start", "end")]
    lines = [f"| rule | {' | '.join(heads)} | test accuracy (%) | seeds |", "| --- " * (len(heads) + 3) + "|"]
    for rule, done in runs.items():
        cells = []
        for name in ANGLES:
            curves = [over_layers(course, name) for course, _ in done]
            cells += [
                spread([c[0] for c in curves]),
                spread([c[-max(1, len(c) // 10) :].mean() for c in curves]),
            ]
        cells += [spread([reached for _, reached in done]), str(len(done))]
        lines.append(f"| {rule} | {' | '.join(cells)} |")
    return lines


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """mean ± standard error; a dash where there is no such number."""
    mean = float(np.mean(values))
    if np.isnan(mean):
        return "–"
    if len(values) < 2:
        return f"{mean:{form}}"
    return f"{mean:{form}} ± {float(np.std(values, ddof=1)) / len(values) ** 0.5:{form}}"
