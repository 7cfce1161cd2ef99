"""Pictures of a course: angle per layer over training, heat map of layers and steps, histograms."""

from pathlib import Path
from typing import Any

import numpy as np

from .course import Course
from .distributions import histograms
from .style import check_matplotlib, colour_of, drawing, figure, save, shades

__all__ = ["check_matplotlib", "draw_all"]

LINES = 12  # layers that a legend can name; more are told apart by a scale of depth
MANY = 60  # layers that a picture of lines can hold
ANGLES = {
    "angle_update": "angle of ΔW to the exact gradient (°)",
    "angle_below": "angle of the sent error to the exact one (°)",
    "angle_feedback_weights": "angle of B to W (°)",
}
HEAT = ("angle_update", "angle_below")
OVER_WINDOWS = {
    "variance_update": "variance of ΔW over minibatches",
    "snr": "signal-to-noise of ΔW over minibatches",
}


def draw_all(course: Course, folder: Path) -> list[Path]:
    """Every picture that this course can show, as SVG and PNG; the paths."""
    paths: list[Path] = []
    with drawing():
        for name, title in ANGLES.items():
            if len(course.updates) > 1 and not np.isnan(course.of(name)).all():
                paths += save(lines(course, name, title), folder / name)
        for name, title in OVER_WINDOWS.items():
            if (~np.isnan(course.of(name))).any(axis=1).sum() > 1:
                paths += save(lines(course, name, title), folder / name)
        for name in HEAT:
            if len(course.updates) > 1 and not np.isnan(course.of(name)).all():
                paths += save(heat_map(course, name, ANGLES[name]), folder / f"{name}_map")
        if len(course.histograms):
            paths += save(histograms(course), folder / "histograms")
    return paths


def lines(course: Course, name: str, title: str) -> Any:
    """One number of every layer over the updates: dark lines near the data, light ones near the loss. Of many
    layers, the median and the quartiles by rule.
    """
    made, axes = figure(7.0, 3.8)
    known = ~np.isnan(course.of(name))
    steps, shown = known.any(axis=1), np.flatnonzero(known.any(axis=0)).tolist()
    updates, values = course.updates[steps], course.of(name)[steps][:, shown]
    if len(shown) > MANY:
        _by_rule(axes, updates, values, [course.rows[i].rule for i in shown])
    else:
        _by_layer(axes, updates, values, [course.rows[i].name for i in shown])
    if name.startswith("angle"):
        _angle_axis(axes, values)
    elif name.startswith("variance"):
        axes.set_yscale("log", nonpositive="mask")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="update", title=course.title)
    axes.set_ylabel(title, fontsize=8)
    if not LINES < len(shown) <= MANY:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7)
    else:
        _scale_of_depth(made, axes, [course.rows[i].name for i in shown])
    return made


def _by_layer(axes: Any, updates: Any, values: Any, names: list[str]) -> None:
    shade, marker = shades(len(names)), "." if len(updates) < 60 else ""
    for k, name in enumerate(names):
        label = name if len(names) <= LINES else None
        axes.plot(updates, values[:, k], color=shade(k), lw=1.3, marker=marker, ms=3, label=label)


def _by_rule(axes: Any, updates: Any, values: Any, rules: list[str]) -> None:
    for rule, colour in colour_of(rules).items():
        of = values[:, [each == rule for each in rules]]
        some = (~np.isnan(of)).any(axis=1)
        low, middle, high = np.nanpercentile(of[some], [25, 50, 75], axis=1)
        axes.fill_between(updates[some], low, high, color=colour, alpha=0.2, lw=0)
        label = f"{rule}: median and\nquartiles of {of.shape[1]}"
        axes.plot(updates[some], middle, color=colour, lw=1.6, marker=".", ms=3, label=label)


def _angle_axis(axes: Any, values: Any) -> None:
    """From 0 to 90°, or as far as the values go, with a line where nothing is learnt."""
    most = float(np.nanmax(values))
    axes.set_ylim(-2, max(95.0, most + 3))
    axes.set_yticks(range(0, int(max(90.0, most)) + 1, 15 if most < 120 else 30))
    axes.axhline(90, color="0.75", lw=0.8, zorder=0)


def _scale_of_depth(made: Any, axes: Any, names: list[str]) -> None:
    from matplotlib.cm import ScalarMappable  # type: ignore[import-not-found, unused-ignore]  # an extra
    from matplotlib.colors import ListedColormap, Normalize  # type: ignore[import-not-found, unused-ignore]  # an extra

    shade = shades(len(names))
    scale = ScalarMappable(Normalize(0, len(names)), ListedColormap([shade(k) for k in range(len(names))]))
    bar = made.colorbar(scale, ax=axes, pad=0.02)
    ticks = np.linspace(0, len(names) - 1, min(len(names), 6)).round().astype(int)
    bar.set_ticks([t + 0.5 for t in ticks], labels=[names[t] for t in ticks], fontsize=7)
    bar.outline.set_visible(False)


def heat_map(course: Course, name: str, title: str) -> Any:
    """Layers from the data (top) to the loss (bottom) by recorded steps."""
    values = course.of(name)
    shown = [i for i in range(len(course.rows)) if not np.isnan(values[:, i]).all()]
    made, axes = figure(7.0, max(1.8, min(11.0, 0.9 + 0.19 * len(shown))))
    image = axes.imshow(
        values[:, shown].T, aspect="auto", cmap="viridis", vmin=0, vmax=max(90.0, float(np.nanmax(values))),
        interpolation="nearest",
    )  # fmt: skip
    step = max(1, len(shown) // 60)
    axes.set_yticks(range(0, len(shown), step), [course.rows[i].name for i in shown[::step]], fontsize=7)
    ticks = range(0, len(course.updates), -(-len(course.updates) // 8))
    axes.set_xticks(ticks, [str(course.updates[t]) for t in ticks])
    axes.set_xlabel("update")
    made.colorbar(image, ax=axes, pad=0.02)
    made.suptitle(f"{course.title}\n{title}", fontsize=9)  # of the whole width: names of layers are long
    return made
