"""Pictures and tables of trainings under inspection (watched.py): means over seeds, the seeds as thin lines."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.course import Course
from ..analysis.reading import read_signals
from ..analysis.style import colour_of, drawing, figure, save
from ..engine.checkpoint import load

Runs = dict[str, list[tuple[Course, Path]]]  # by rule, a seed each


def draw(what: str, out: Path, rules: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """The pictures of what is finished, in `out`; lines of a table in Markdown."""
    runs: Runs = {}
    for rule in rules:
        folders = [out / f"{rule}-{seed}" for seed in seeds]
        done = [folder for folder in folders if (folder / "result.json").exists()]
        if done:
            runs[rule] = [(read_signals(folder), folder) for folder in done]
    with drawing():
        return {"angles": angles, "variance": variance, "weights": weights}[what](runs, out)


def angles(runs: Runs, out: Path) -> list[str]:
    """ΔW to the exact gradient, and B to W, averaged over layers."""
    names = {
        "angle_update": "angle of ΔW to the exact gradient (°)",
        "angle_feedback_weights": "angle of B to W (°)",
    }
    made, axes = figure(9.0, 3.8, ncols=2)
    for panel, (name, title) in zip(axes, names.items(), strict=True):
        _curves(panel, runs, lambda course, name=name: _over_layers(course, name))
        panel.axhline(90, color="0.8", lw=0.8, zorder=0)
        panel.set(xlabel="update", ylabel=title, ylim=(-2, 95))
    axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    made.suptitle("mean over layers; thin: each seed")
    save(made, out / "angles")
    lines = [
        "| rule | ΔW at the start | ΔW at the end | B–W at the start | B–W at the end | accuracy (%) |",
        _rule(6),
    ]
    for rule, done in runs.items():
        cells = [rule]
        for name in names:
            courses = [_over_layers(course, name) for course, _ in done]
            cells += [_spread([c[0] for c in courses]), _spread([c[-len(c) // 10 :].mean() for c in courses])]
        lines.append(_row([*cells, _spread([accuracy(path) for _, path in done])]))
    return lines


def variance(runs: Runs, out: Path) -> list[str]:
    """The paper's Fig. 3: variance of the updates over minibatches, per layer, mean over the training."""
    made, axes = figure(9.0, 3.8, ncols=2)
    for panel, name, title in (
        (axes[0], "variance_update", "variance of ΔW over minibatches"),
        (axes[1], "snr", "signal-to-noise of ΔW"),
    ):
        _curves(panel, runs, lambda course, name=name: _over_layers(course, name), windows=True)
        panel.set(xlabel="update", ylabel=title)
    axes[0].set_yscale("log")
    if axes[1].get_legend_handles_labels()[0]:
        axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    made.suptitle("mean over layers; thin: each seed")
    save(made, out / "variance")
    lines = ["| rule | variance of ΔW | SNR | accuracy (%) |", _rule(4)]
    for rule, done in runs.items():
        cells = [rule]
        for name in ("variance_update", "snr"):
            curves = [_over_layers(course, name) for course, _ in done]
            cells.append(_spread([c[~np.isnan(c)].mean() for c in curves if not np.isnan(c).all()], ".3g"))
        lines.append(_row([*cells, _spread([accuracy(path) for _, path in done])]))
    return lines


def weights(runs: Runs, out: Path) -> list[str]:
    """The paper's Figs. 4 to 6: distributions of trained weights; their variance per layer against accuracy."""
    colours = colour_of(list(runs))
    made, axes = figure(9.0, 3.8, ncols=2)
    lines = ["| rule | variance of W, mean over layers | accuracy (%) |", _rule(3)]
    for rule, done in runs.items():
        values = np.concatenate([load(path / "checkpoint.h5")[0]["weights"] for _, path in done])
        bins = np.linspace(-0.5, 0.5, 81)
        density, _ = np.histogram(values, bins, density=True)
        axes[0].plot((bins[1:] + bins[:-1]) / 2, density, color=colours[rule], label=rule, lw=1.3)
        spread = [float(course.of("variance_W")[-1].mean()) for course, _ in done]
        reached = [accuracy(path) for _, path in done]
        axes[1].scatter(spread, reached, color=colours[rule], s=22, label=rule)
        lines.append(_row([rule, _spread(spread, ".3g"), _spread(reached)]))
    axes[0].set(xlabel="weight", ylabel="density", yscale="log")
    axes[1].set(xlabel="variance of W, mean over layers", ylabel="test accuracy (%)")
    axes[1].locator_params(axis="x", nbins=5)
    axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(made, out / "weights")
    return lines


def _curves(panel: Any, runs: Runs, of: Any, windows: bool = False) -> None:
    colours = colour_of(list(runs))
    for rule, done in runs.items():
        curves = []
        for course, _ in done:
            values, updates = of(course), course.updates
            there = ~np.isnan(values) if windows else np.ones(len(values), bool)
            if there.any():
                curves.append((updates[there], values[there]))
        for updates, values in curves:
            panel.plot(updates, values, color=colours[rule], lw=0.5, alpha=0.5)
        if curves:
            shortest = min(len(values) for _, values in curves)
            mean = np.mean([values[:shortest] for _, values in curves], axis=0)
            marker = "o" if shortest < 30 else ""  # a lone window is a point
            style = {"color": colours[rule], "lw": 1.8, "marker": marker, "ms": 4, "label": rule}
            panel.plot(curves[0][0][:shortest], mean, **style)


def _over_layers(course: Course, name: str) -> NDArray[np.float64]:
    """(T,): mean over the layers that have this number; NaN where none has."""
    values = course.of(name)
    has = ~np.isnan(values)
    total, count = np.where(has, values, 0).sum(axis=1), has.sum(axis=1)
    mean: NDArray[np.float64] = total / np.where(count, count, np.nan)
    return mean


def accuracy(path: Path) -> float:
    return float(json.loads((path / "result.json").read_text())["test_accuracy"])


def _spread(values: Sequence[float], form: str = ".1f") -> str:
    """mean ± standard error."""
    if not values:
        return "-"  # no window of recorded steps is complete
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:{form}}"
    return f"{mean:{form}} ± {float(np.std(values, ddof=1)) / len(values) ** 0.5:{form}}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return _row(["---"] * columns)
