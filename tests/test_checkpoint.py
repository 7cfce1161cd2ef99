"""Checkpoints: what is saved is what is loaded, or an error, whatever happened between."""

import errno
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]  # ships no annotations
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from bionas_cupy.engine import atomic, checkpoint, seal
from bionas_cupy.engine.errors import CheckpointError, OutputError
from hypothesis import given, settings
from hypothesis import strategies as st

import bionas_cupy

DTYPES = st.one_of(
    hnp.floating_dtypes(sizes=(16, 32, 64), endianness="="),
    hnp.integer_dtypes(endianness="="),
    hnp.unsigned_integer_dtypes(endianness="="),
    hnp.boolean_dtypes(),
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
NAMES = st.text(min_size=1, max_size=9).filter(lambda name: name != ".")
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
META = st.dictionaries(st.text(), VALUES | st.lists(VALUES) | st.dictionaries(st.text(), VALUES), max_size=4)
SMALL = {"cell.0/weight": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(7)}


def run_python(
    script: str, *arguments: object, within: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, with this package on its path."""
    environment = {**os.environ, "PYTHONPATH": str(Path(bionas_cupy.__file__).parents[1])}
    command = [*within, sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def reseal(path: Path, body: bytes) -> None:
    """Write a file whose head agrees with its body, as someone who edits it would."""
    path.write_bytes(seal.seal(memoryview(body)) + body)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.h5"
    checkpoint.save(path, SMALL, {"epoch": 3})
    return path


@settings(deadline=None, max_examples=40, derandomize=True)
@given(arrays=st.dictionaries(NAMES, ARRAYS, max_size=5), meta=META)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, Any], meta: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.h5"
    checkpoint.save(path, arrays, meta)
    loaded, loaded_meta = checkpoint.load(path)
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert loaded[name].tobytes() == array.tobytes()
    assert checkpoint.digest(loaded, loaded_meta) == checkpoint.digest(arrays, meta)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(9)[::2],
        np.zeros(3, ">f4"),
        np.array([np.nan, -0.0, np.inf], np.float32),
    ],
)
def test_any_memory_order_and_any_bits(tmp_path: Path, array: np.ndarray[Any, Any]) -> None:
    checkpoint.save(tmp_path / "c.h5", {"a": array, "a/b": array}, {})
    loaded, _ = checkpoint.load(tmp_path / "c.h5")
    assert loaded["a"].tobytes() == loaded["a/b"].tobytes() == array.tobytes()
    loaded["a"][...] = 0  # what is loaded can be trained on


@pytest.mark.parametrize("array", [np.array([{}]), np.array(["text"]), np.ones(2, complex), 1.0, [1.0]])
def test_refuses_what_it_cannot_verify(tmp_path: Path, array: Any) -> None:
    with pytest.raises(TypeError, match='"bad"'):
        checkpoint.save(tmp_path / "c.h5", {"bad": array}, {})
    assert not list(tmp_path.iterdir())


def test_digest_sees_every_difference_but_the_order() -> None:
    a, b = np.zeros(2, np.float32), np.ones((2, 2))
    first = checkpoint.digest({"a": a, "b": b}, {"x": 1, "y": 2})
    assert checkpoint.digest({"b": b, "a": a}, {"y": 2, "x": 1}) == first
    others: list[dict[str, Any]] = [
        {"a": -a, "b": b},
        {"a": a.view(np.int32), "b": b},
        {"a": a, "b": b.ravel()},
        {"a": a, "c": b},
    ]
    assert all(checkpoint.digest(other, {"x": 1, "y": 2}) != first for other in others)
    assert checkpoint.digest({"a": a, "b": b}, {"x": 1, "y": 3}) != first


def test_any_damaged_byte_is_found(saved: Path) -> None:
    whole, random = saved.read_bytes(), np.random.default_rng(0)
    with saved.open("r+b", buffering=0) as file:
        for position, byte in enumerate(whole):
            os.pwrite(file.fileno(), bytes([byte ^ int(random.integers(1, 256))]), position)
            with pytest.raises(CheckpointError):
                checkpoint.load(saved)
            os.pwrite(file.fileno(), bytes([byte]), position)
    assert checkpoint.load(saved)[1] == {"epoch": 3}


def test_any_truncation_or_extension_is_found(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in sorted({*range(0, len(whole), 7), seal.SIZE, seal.SIZE - 1, len(whole) - 1}, reverse=True):
        os.truncate(saved, length)
        with pytest.raises(CheckpointError):
            checkpoint.load(saved)
    for damaged in (whole[:100], whole[:-1], whole + b"\0"):
        saved.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=f"has {len(damaged)} bytes, expected {len(whole)}"):
            checkpoint.load(saved)


def test_arrays_are_verified_behind_the_seal(saved: Path) -> None:
    body = bytearray(saved.read_bytes()[seal.SIZE :])
    body[body.index(SMALL["cell.0/weight"].tobytes()) + 5] ^= 1
    reseal(saved, bytes(body))
    with pytest.raises(CheckpointError, match=r'SHA-256 of "cell.0/weight"'):
        checkpoint.load(saved)


def test_any_tool_opens_it_and_an_incomplete_one_is_refused(saved: Path) -> None:
    with h5py.File(saved, "r+") as file:
        assert sha256(file["meta"][()].tobytes()).hexdigest() == file["meta"].attrs["sha256"]
        del file.attrs["complete"]
    reseal(saved, saved.read_bytes()[seal.SIZE :])
    with pytest.raises(CheckpointError, match="not written to its end"):
        checkpoint.load(saved)


def test_another_format_is_named(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes().replace(b"checkpoint 1 ", b"checkpoint 2 ", 1))
    with pytest.raises(CheckpointError, match=r"is of format 2, expected 1. Use the version"):
        checkpoint.load(saved)


def test_an_array_that_an_earlier_version_did_not_write(saved: Path) -> None:
    arrays, _ = checkpoint.load(saved)
    assert arrays.keys() == SMALL.keys()
    with pytest.raises(
        CheckpointError, match=r'has no "meter": another version .* Use that version \(manifest'
    ):
        arrays["meter"]


def test_missing_or_foreign(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not HDF5")
    for name in ("missing", ".", "text"):
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(seal.CURE)


@pytest.mark.parametrize(
    ("number", "cure"),
    [(errno.ENOSPC, "Free some space"), (errno.EDQUOT, "quota"), (errno.EROFS, "writable disk")],
)
def test_a_disk_that_refuses(saved: Path, monkeypatch: pytest.MonkeyPatch, number: int, cure: str) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match=cure) as caught:
        checkpoint.save(saved, SMALL, {"epoch": 4})
    assert str(saved) in str(caught.value)
    assert caught.value.exit_code == 7
    assert checkpoint.load(saved)[1] == {"epoch": 3}
    assert [each.name for each in saved.parent.iterdir()] == [saved.name]


def test_orphans_are_cleaned_and_nothing_else(saved: Path) -> None:
    (saved.parent / f".checkpoint.h5.00{atomic.SUFFIX}").write_text("half")
    (saved.parent / f"mine{atomic.SUFFIX}").write_text("of the user")
    assert atomic.clean_orphans(saved.parent) == 1
    assert len(list(saved.parent.iterdir())) == 2


FILL = """
import resource, sys
from pathlib import Path
import numpy as np
from bionas_cupy.engine import checkpoint
from bionas_cupy.engine.errors import OutputError
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
checkpoint.save(folder / "c.h5", {"w": np.ones(1000)}, {})
try:
    checkpoint.save(folder / "c.h5", {"w": np.ones(1_000_000)}, {})
except OutputError as error:
    print(error)
assert checkpoint.load(folder / "c.h5")[0]["w"].size == 1000
assert [each.name for each in folder.iterdir()] == ["c.h5"]
"""


def test_limit_on_the_size_of_a_file(tmp_path: Path) -> None:
    done = run_python(FILL, tmp_path, 100_000)
    assert "File too large. Raise the limit" in done.stdout, done.stderr


def test_full_disk(tmp_path: Path) -> None:
    mount = f'mount -t tmpfs -o size=200k none "{tmp_path}" && exec "$0" "$@"'
    within = ("unshare", "--mount", "sh", "-c", mount)
    try:
        allowed = run_python("print('mounted')", within=within)
    except FileNotFoundError:
        pytest.skip("no unshare command on this system")
    if "mounted" not in allowed.stdout:
        pytest.skip(f"may not mount a small disk: {allowed.stderr.strip()}")
    done = run_python(FILL, tmp_path, 0, within=within)
    assert "No space left on device. Free some space" in done.stdout, done.stderr
    assert done.returncode == 0, done.stderr


KILL = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from bionas_cupy.engine import atomic, checkpoint
path, last = Path(sys.argv[1]), 0

def save(number):
    checkpoint.save(path, {f"w{i}": np.full(20_000, number) for i in range(5)}, {"number": number})

save(last)
first = os.stat(path).st_ino
for kill in range(25):
    child = os.fork()
    while child == 0:
        last += 1
        save(last)
    while kill == 0 and os.stat(path).st_ino == first:  # on a busy machine the first save may take its time
        time.sleep(0.001)
    time.sleep(random.Random(kill).uniform(0, 0.04))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    arrays, meta = checkpoint.load(path)
    assert meta["number"] >= last and all((array == meta["number"]).all() for array in arrays.values())
    last = meta["number"]
atomic.clean_orphans(path.parent)
assert last > 0 and os.listdir(path.parent) == [path.name]
"""


def test_killed_while_saving(tmp_path: Path) -> None:
    done = run_python(KILL, tmp_path / "checkpoint.h5")
    assert done.returncode == 0, done.stderr
