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
    """A colour for each different name, the same whenever the names are the same."""
    different = sorted(set(names))
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(different)}


def shades(count: int) -> Callable[[int], Any]:
    """A colour for each of `count` layers, from dark near the data to light near the loss."""
    from matplotlib import colormaps  # type: ignore[import-not-found, unused-ignore]  # an extra

    return lambda k: colormaps["viridis"](0.92 * k / max(count - 1, 1))
