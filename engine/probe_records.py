"""What a probe recorded, as a table, a file, a picture."""

import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .atomic import write_bytes
from .errors import UsageError

Records = Mapping[tuple[str, ...], list[tuple[int, Any]]]
NAMED = 24  # layers that a legend has room for


def table(records: Records) -> list[dict[str, Any]]:
    """An object a (layer, signal): how often it was recorded, its shape, its last value or that one's norm."""
    found = []
    for (layer, signal, *purpose), values in records.items():
        updates, last = [update for update, _ in values], values[-1][1]
        each: dict[str, Any] = {
            "layer": layer,
            "signal": signal,
            "pass": purpose[0] if purpose else "weights",
        }
        each |= {"records": len(values), "first_update": updates[0], "last_update": updates[-1]}
        found.append(each | {"shape": np.shape(last), "last": _number(last)})
    return found


def _number(value: Any) -> Any:
    """A number as it is, an array by its norm."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return float(np.linalg.norm(value.astype(np.float64))) if value.ndim else value.item()
    return value


def page(records: Records) -> str:
    """The table as HTML, for notebooks."""
    rows = table(records)
    names = list(rows[0]) if rows else ["layer", "signal"]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(r[n]))}</td>" for n in names) + "</tr>" for r in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def to_hdf5(records: Records, path: str | Path) -> None:
    """/LAYER/SIGNAL (or /LAYER/SIGNAL@PASS): updates (T,), and values (T, ...), or a dataset an update where
    shapes differ. Written atomically; OutputError where the disk refuses. What is no number is left out.
    """
    import h5py  # type: ignore[import-untyped]  # ships no annotations

    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs["layout"] = 1
        for (layer, *label), values in records.items():
            arrays = [np.asarray(value) for _, value in values]
            if any(array.dtype.kind not in "biuf" for array in arrays):
                continue
            group = file.create_group(f"{layer or 'network'}/{'@'.join(label)}")
            group["updates"] = [update for update, _ in values]
            if len({array.shape for array in arrays}) == 1:
                group["values"] = np.stack(arrays)
            else:
                for i, array in enumerate(arrays):
                    group[f"values/{i}"] = array
    write_bytes(Path(path), image.getbuffer())


def plot(records: Records) -> Any:
    """A matplotlib figure: a panel a signal, in it a line a layer, of its values or norms over the updates; dark near
    the data, light near the loss. UsageError where there is nothing to draw, or no matplotlib.
    """
    try:
        from matplotlib import colormaps  # type: ignore[import-not-found, unused-ignore]  # an extra
        from matplotlib.figure import Figure  # type: ignore[import-not-found, unused-ignore]  # an extra
    except ImportError:
        cure = "pip install 'bionas-cupy[report]'"
        raise UsageError("plot needs matplotlib, which is not installed.", cure) from None

    panels = _courses(records)
    if not panels:
        raise UsageError("probe: nothing was recorded that could be drawn.", "Open it around a training.")
    layers = [*dict.fromkeys(layer for layer, *_ in records)][::-1]  # they come from the loss to the data
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    made = Figure(figsize=(3.0 * columns + 1.6, 2.4 * rows), layout="constrained")
    drawn = {}
    room = made.subplots(rows, columns, squeeze=False).flat
    for axes, (signal, courses) in zip(room, panels.items(), strict=False):
        for layer, (updates, numbers) in courses.items():
            colour = colormaps["viridis"](0.92 * layers.index(layer) / max(1, len(layers) - 1))
            (drawn[layer],) = axes.plot(updates, numbers, marker=".", lw=1.2, ms=4, color=colour)
        axes.set(xlabel="update", title=signal)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in made.axes[len(panels) :]:
        axes.remove()
    named = [layer for layer in layers if layer in drawn]
    if len(named) <= NAMED:
        made.legend([drawn[layer] for layer in named], named, loc="outside right center", fontsize=7)
    return made


def _courses(records: Records) -> dict[str, dict[str, tuple[list[int], list[float]]]]:
    """{signal: {layer: (updates, values or norms)}} of what has numbers."""
    found: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
    for (layer, *label), values in records.items():
        numbers = [_number(value) for _, value in values]
        if all(isinstance(number, int | float) for number in numbers):
            is_array = isinstance(values[0][1], np.ndarray) and values[0][1].ndim > 0
            signal = f"‖{' '.join(label)}‖" if is_array else " ".join(label)
            found.setdefault(signal, {})[layer] = [update for update, _ in values], numbers
    return found
