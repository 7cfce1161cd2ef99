"""Picture and table of update_variance.py: variance of ΔW by rule, and each rule over the mixed network."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.style import colour_of, drawing, figure, save
from .watched_pictures import spread

Found = dict[str, list[dict[str, Any]]]  # by rule, a seed each
Floats = NDArray[np.float64]

OWN = "own"
PANELS = {
    "variance": "variance of ΔW over minibatches",
    "spread": "variance of ΔW's components",
    "snr": "signal-to-noise of ΔW",
}


def over_layers(run: dict[str, Any], name: str) -> Floats:
    """(epochs + 1,): mean over the searched synapses."""
    return np.array([np.mean([each[name] for each in epoch.values()]) for epoch in run["epochs"]])


def draw(found: Found, out: Path) -> list[str]:
    """update_variance.svg and .png in `out`; lines of a table in Markdown."""
    if not found:
        return ["Nothing is finished."]
    with drawing():
        made, axes = figure(10.0, 3.4, ncols=len(PANELS))
        for panel, (name, title) in zip(axes, PANELS.items(), strict=True):
            _curves(panel, found, name)
            panel.set(xlabel="epochs of training", title=title)
            panel.xaxis.get_major_locator().set_params(integer=True)
            if name != "snr":
                panel.set_yscale("log")
        axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        save(made, out / "update_variance")
    return table(found)


def _curves(panel: Any, found: Found, name: str) -> None:
    colours = colour_of(list(found))
    for rule, runs in found.items():
        curves = np.array([over_layers(run, name) for run in runs])
        colour, wide = ("black", 2.4) if rule == OWN else (colours[rule], 1.6)
        panel.plot(curves.T, color=colour, lw=0.4, alpha=0.5)
        panel.plot(curves.mean(axis=0), color=colour, lw=wide, marker="o", ms=3, label=_label(rule))


def _label(rule: str) -> str:
    return "mixed" if rule == OWN else rule


def table(found: Found) -> list[str]:
    """Means over layers and over the measurements after each epoch; ± standard error over seeds."""
    lines = ["| rules | " + " | ".join(PANELS.values()) + " | training accuracy of the last epoch (%) |"]
    lines.append("| --- " * (len(PANELS) + 2) + "|")
    for rule, runs in found.items():
        cells = [spread([over_layers(run, name)[1:].mean() for run in runs], ".3g") for name in PANELS]
        cells.append(spread([run["scores"][-1]["train_accuracy"] for run in runs], ".1f"))
        lines.append(f"| {_label(rule)} | {' | '.join(cells)} |")
    return [*lines, "", *ratios(found)]


def ratios(found: Found) -> list[str]:
    """The mixed network over each single rule, the same seed: geometric means over seeds, and where it is lower."""
    mixed = found.get(OWN, [])
    heads = ["variance", "spread", "SNR", "seeds with lower variance", "layers with lower variance (%)"]
    lines = [f"| mixed over | {' | '.join(heads)} |", "| --- " * 6 + "|"]
    for rule, runs in found.items():
        pairs = list(zip(mixed, runs, strict=False))
        if rule == OWN or not pairs:
            continue
        logs = {
            name: np.array([np.log(_after(a, name) / _after(b, name)) for a, b in pairs]) for name in PANELS
        }
        lower = [_lower(a, b) for a, b in pairs]
        cells = [_factor(logs[name]) for name in PANELS]
        cells += [
            f"{int((logs['variance'] < 0).sum())} of {len(pairs)}",
            spread([100 * x for x in lower], ".0f"),
        ]
        lines.append(f"| {rule} | {' | '.join(cells)} |")
    return lines


def _after(run: dict[str, Any], name: str) -> float:
    return float(over_layers(run, name)[1:].mean())


def _lower(mixed: dict[str, Any], single: dict[str, Any]) -> float:
    """The share of (epoch, layer) in which the mixed network's variance is lower."""
    pairs = zip(mixed["epochs"][1:], single["epochs"][1:], strict=True)
    return float(np.mean([a[layer]["variance"] < b[layer]["variance"] for a, b in pairs for layer in a]))


def _factor(logs: Floats) -> str:
    """A geometric mean, and the factor of its standard error."""
    middle = float(np.exp(logs.mean()))
    if len(logs) < 2:
        return f"{middle:.2f}"
    low, high = (float(np.exp(logs.mean() + s * logs.std(ddof=1) / len(logs) ** 0.5)) for s in (-1, 1))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
