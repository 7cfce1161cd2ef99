"""Checkpoints: arrays and JSON in one HDF5 file, verified to the last bit when read. No pickle anywhere.

bytes 0–511   format, length and SHA-256 of all that follows (seal.py)
/meta         UTF-8 JSON; attribute sha256
/arrays/NAME  one dataset an array ("/" and "%" of its name as %2F and %25); attribute sha256
attributes    format; complete, written last
"""

import io
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from . import seal
from .atomic import JSON, write_bytes
from .errors import CheckpointError

Arrays = dict[str, NDArray[Any]]
Meta = dict[str, Any]

_SAFE = " :;,=+()[]<>@"


class Stored(dict[str, NDArray[Any]]):
    """The arrays of a checkpoint by name; one that is asked for and is not there raises CheckpointError."""

    def __init__(self, path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(arrays)
        self._path = path

    def __missing__(self, name: str) -> NDArray[Any]:
        raise CheckpointError(
            f'Checkpoint "{self._path}" has no "{name}": another version of bionas-cupy wrote it.',
            "Use that version (manifest.json names it), or start a new run.",
        )


def save(path: Path, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, JSON]) -> None:
    """Write a checkpoint atomically.

    Arrays: bool, integers and floats up to 64 bits, any shape, on the host. Meta: JSON; NaN and infinities
    are allowed. TypeError or ValueError for anything else; OutputError for a disk that refuses.
    """
    for name, array in arrays.items():
        _check_array(name, array)
    image = _image(arrays, _meta_text(meta))
    body = image.getbuffer()[seal.SIZE :]
    write_bytes(path, seal.seal(body), body)


def load(path: Path) -> tuple[Arrays, Meta]:
    """Arrays and meta of a verified checkpoint. CheckpointError if missing, damaged or of another format."""
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f'Cannot read checkpoint "{path}": {error.strerror}.', seal.CURE) from error
    seal.check_seal(path, memoryview(contents))
    try:
        arrays, meta = _read(contents)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f'Checkpoint "{path}" is damaged: {error}.', seal.CURE) from error
    return Stored(path, arrays), meta


def digest(arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, JSON]) -> str:
    """SHA-256 of the contents, in any order of names: equal where two checkpoints hold the same bits."""
    parts = {name: _array_digest(array) for name, array in arrays.items()}
    return sha256(json.dumps([parts, _meta_text(meta)], sort_keys=True).encode()).hexdigest()


def _check_array(name: str, array: NDArray[Any]) -> None:
    if name in ("", "."):
        raise ValueError(f'checkpoint: an array cannot be named "{name}"')
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f'checkpoint: "{name}" is {found}, expected an array of bool, integers or floats')


def _meta_text(meta: Mapping[str, JSON]) -> str:
    return json.dumps(dict(meta), sort_keys=True)


def _array_digest(array: NDArray[Any]) -> str:
    dense = np.asarray(array, order="C")  # not ascontiguousarray, which turns 0-d into 1-d
    hashed = sha256(f"{dense.dtype.str} {dense.shape}\n".encode())
    hashed.update(dense.reshape(-1).view(np.uint8).data)
    return hashed.hexdigest()


def _image(arrays: Mapping[str, NDArray[Any]], meta: str) -> io.BytesIO:
    """The file in memory: a full disk is then a plain OSError of ours, not a half-closed file of HDF5's."""
    import h5py  # type: ignore[import-untyped]  # ships no annotations; 0.1 s, so imported where it is used

    image = io.BytesIO()
    with h5py.File(image, "w", userblock_size=seal.SIZE) as file:
        file.attrs["format"] = seal.FORMAT
        file["meta"] = np.frombuffer(meta.encode(), np.uint8)
        file["meta"].attrs["sha256"] = sha256(meta.encode()).hexdigest()
        group = file.create_group("arrays")
        for name, array in arrays.items():
            dataset = group.create_dataset(quote(name, safe=_SAFE), data=array)
            dataset.attrs["sha256"] = _array_digest(array)
        file.attrs["complete"] = True
    return image


def _read(contents: bytes) -> tuple[Arrays, Meta]:
    import h5py

    with h5py.File(io.BytesIO(contents), "r") as file:
        if not file.attrs.get("complete", False):
            raise ValueError("it was not written to its end")
        text = file["meta"][()].tobytes()
        _compare("meta", sha256(text).hexdigest(), file["meta"])
        stored = {unquote(name): dataset for name, dataset in file["arrays"].items()}
        arrays = {name: _read_array(name, dataset) for name, dataset in stored.items()}
    return arrays, json.loads(text)


def _read_array(name: str, dataset: Any) -> NDArray[Any]:
    array = np.asarray(dataset[()], dataset.dtype)  # [()] gives a scalar, no array, where 0-d
    _compare(name, _array_digest(array), dataset)
    return array


def _compare(name: str, found: str, dataset: Any) -> None:
    if found != dataset.attrs["sha256"]:
        raise ValueError(f'the SHA-256 of "{name}" is not the recorded one')
