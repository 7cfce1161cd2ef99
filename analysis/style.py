"""How pictures look: fonts, sizes, colours, and how they are written."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..engine.atomic import output_errors
from ..engine.errors import UsageError

# Okabe & Ito (2008): told apart by colour-blind readers as well
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000"]
RULES = {  # each built-in rule has a colour of its own, the same in every picture; no grey, which is no rule's
    "bp": "#0072B2",
    "usf": "#56B4E9",
    "frsf": "#E69F00",
    "brsf": "#D55E00",
    "fa": "#CC79A7",
    "dfa": "#009E73",
    "qsf": "#332288",
    "power": "#9ACD32",
    "hebbian": "#661100",
    "oja": "#DDCC77",
    "hpca": "#E7298A",
    "swta": "#004D40",
    "softhebb": "#EE6677",
    "inoue": "#882255",
    "inoue_output": "#8C564B",
    "krotov_hopfield": "#9467BD",
    "three_factor": "#8C510A",
    "wp": "#4D9221",
    "np": "#80CDC1",
    "pepita": "#1B3A6B",
    "ff": "#B2ABD2",
    "pc": "#FF66CC",
}
DPI = 144
SETTINGS: dict[Any, Any] = {  # matplotlib names the keys by a type of its own
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "bionas-cupy",  # else the names within an SVG change from run to run
    "figure.constrained_layout.use": True,
}


def check_matplotlib() -> None:
    """Raises UsageError where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise UsageError(
            "pictures need matplotlib, which is not installed.", "pip install 'bionas-cupy[report]'"
        )


@contextmanager
def drawing() -> Iterator[None]:
    """The settings count for whatever is drawn and saved in the body."""
    check_matplotlib()
    from matplotlib import rc_context  # type: ignore[import-not-found, unused-ignore]  # an extra

    with rc_context(SETTINGS):
        yield


def figure(width: float, height: float, **layout: Any) -> tuple[Any, Any]:
    """(figure, axes) in inches; drawn to files, whatever display there is. `layout`: as for subplots."""
    from matplotlib.figure import Figure  # type: ignore[import-not-found, unused-ignore]  # an extra

    made = Figure(figsize=(width, height))
    return made, made.subplots(**layout)


def save(made: Any, path: Path) -> list[Path]:
    """path.svg and path.png. Raises OutputError, with the path, where one cannot be written."""
    paths = [path.with_name(path.name + suffix) for suffix in (".svg", ".png")]
    for each in paths:
        with output_errors(each):
            made.savefig(each, dpi=DPI, metadata={"Date": None} if each.suffix == ".svg" else None)
    return paths


def colour_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each different name: that of its built-in rule, whatever options and constraints it has (qsf8 that
    of qsf). Other names, and a rule's second set of options, take in their order what is left.
    """
    different = sorted(set(names))
    found: dict[str, str] = {}
    for name in different:
        colour = RULES.get(rule_in(name))
        if colour and colour not in found.values():
            found[name] = colour
    left = [colour for colour in ["#000000", *reversed(RULES.values())] if colour not in found.values()]
    others = [name for name in different if name not in found]
    return found | {name: left[i % len(left)] for i, name in enumerate(others)}


def rule_in(name: str) -> str:
    """Without options, constraints and bits: "power(p=0.5;q=0)+nonneg" is power, "qsf8" is qsf."""
    return name.partition("(")[0].partition("+")[0].rstrip("0123456789")


def shades(count: int) -> Callable[[int], Any]:
    """A colour for each of `count` layers, from dark near the data to light near the loss."""
    from matplotlib import colormaps  # type: ignore[import-not-found, unused-ignore]  # an extra

    return lambda k: colormaps["viridis"](0.92 * k / max(count - 1, 1))
