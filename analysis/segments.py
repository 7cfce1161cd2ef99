"""One segment of a recording: an HDF5 file, whole by itself, that plain h5py reads. Layout 1 (docs/inspect.md).

attributes          layout = 1, title, stride (of the recorded steps, every stride-th is kept)
/updates            (T,) int64     weight updates made before the recorded step
/ordinals           (T,) int64     which recorded step of the run this is: 0, 1, 2, ...
/rows               (L,) text      a lane of a synapse, as JSON: layer, lane, op, rule, shape, ...
/numbers/NAME       (T, L) float64; attributes unit, meaning. NaN where there is none; one that is missing was not
                    recorded by the version that wrote the file
/histograms/SIGNAL  (T, L, BINS) uint32, of x, y, delta, W, B, dW; counts between /bin_edges
/bin_edges          (BINS - 1,) float64; the first and the last bin are open
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.atomic import write_bytes
from ..engine.errors import CheckpointError
from .course import Course, Row
from .histogram import BINS, EDGES
from .numbers import HISTOGRAMS, NAMES, NUMBERS

LAYOUT = 1
_PACKED = {"compression": "gzip", "compression_opts": 4, "shuffle": True}

Ordinals = NDArray[np.int64]


def write_segment(path: Path, course: Course, ordinals: Ordinals, stride: int) -> int:
    """Write, or replace, a segment atomically; its bytes. OutputError where the disk refuses."""
    image = _image(course, ordinals, stride).getbuffer()
    write_bytes(path, image)
    return len(image)


def _image(course: Course, ordinals: Ordinals, stride: int) -> io.BytesIO:
    """In memory first: a full disk is then a plain error of ours, not a half-closed file of HDF5's."""
    import h5py  # type: ignore[import-untyped]  # ships no annotations

    image = io.BytesIO()
    with h5py.File(image, "w", libver="latest") as file:  # a fifth of the oldest layout's overhead
        file.attrs.update({"layout": LAYOUT, "title": course.title, "stride": stride})
        file["updates"], file["ordinals"] = course.updates, ordinals
        file["rows"] = [json.dumps(row.to_json(), ensure_ascii=False) for row in course.rows]
        for i, name in enumerate(NAMES):
            column = file.create_dataset(f"numbers/{name}", data=course.numbers[:, :, i])
            column.attrs.update(NUMBERS[name]._asdict())
        if course.histograms.size:
            file["bin_edges"] = EDGES
            for i, signal in enumerate(HISTOGRAMS):
                counts = np.minimum(course.histograms[:, :, i], 2**32 - 1).astype(np.uint32)
                file.create_dataset(f"histograms/{signal}", data=counts, **_PACKED)
    return image


def write_index(path: Path, segments: Sequence[Path], title: str, stride: int) -> None:
    """A file that opens as /segments/NUMBER, links to the segments beside it."""
    import h5py

    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs.update({"layout": LAYOUT, "title": title, "stride": stride})
        for segment in segments:
            link = segment.relative_to(path.parent).as_posix()
            file[f"segments/{segment.stem}"] = h5py.ExternalLink(link, "/")
    write_bytes(path, image.getbuffer())


def read_segment(path: Path) -> tuple[Course, Ordinals, int]:
    """(course, ordinals, stride). CheckpointError where the file cannot be read or is of another layout."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if file.attrs["layout"] != LAYOUT:
                raise CheckpointError(
                    f'Signals "{path}" have layout {file.attrs["layout"]}, expected {LAYOUT}.',
                    "Read them with the version that wrote them.",
                )
            return _course(file), file["ordinals"][()], int(file.attrs["stride"])
    except (OSError, KeyError, ValueError) as error:
        raise CheckpointError(
            f'Signals "{path}" cannot be read: {error}.', "Record them again, or remove that file."
        ) from None


def _course(file: Any) -> Course:
    rows = [Row.from_json(json.loads(text)) for text in file["rows"][()]]
    updates = file["updates"][()]
    nothing, known = np.full((len(updates), len(rows)), np.nan), file["numbers"]
    numbers = np.stack([known[name][()] if name in known else nothing for name in NAMES], axis=-1)
    histograms = np.zeros((0, len(rows), len(HISTOGRAMS), BINS), np.int64)
    if "histograms" in file:
        stacked = [file[f"histograms/{signal}"][()] for signal in HISTOGRAMS]
        histograms = np.stack(stacked, axis=2).astype(np.int64)
    return Course(rows, updates, numbers, histograms, str(file.attrs["title"]))
