"""Recordings on disk: readable by plain h5py, within their budget, after kills, on full disks, after resumes."""

import errno
import json
import os
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from bionas_cupy.analysis import segments
from bionas_cupy.analysis.course import Row
from bionas_cupy.analysis.histogram import BINS, EDGES
from bionas_cupy.analysis.numbers import EACH_STEP, HISTOGRAMS, NAMES, NUMBERS
from bionas_cupy.analysis.reading import read_signals, segments_of
from bionas_cupy.analysis.signals_file import SignalsFile
from bionas_cupy.engine.errors import CheckpointError, UsageError

ROWS = [
    Row(f"conv{i}", -1, "conv 3x3", "usf", 1.0, (4, 3, 3, 3), "feedback", "descent", ("x", "delta"))
    for i in range(3)
]
MIB = 1 << 20
WINDOW = 20


def step(update, rows=ROWS):
    """Numbers and counts that tell which step they are of; a window ends at every 20th."""
    random = np.random.default_rng(update)
    numbers = random.random((len(rows), len(NAMES)))
    numbers[:, 0] = update
    numbers[:, len(EACH_STEP) :] = update if update % WINDOW == WINDOW - 1 else np.nan
    return numbers, random.integers(0, 1000, (len(rows), len(HISTOGRAMS), BINS))


def assert_as_recorded(course):
    """Of each step, but for what a window had that ended at it."""
    for t, update in enumerate(course.updates):
        numbers, counts = step(update)
        assert np.array_equal(course.numbers[t, :, : len(EACH_STEP)], numbers[:, : len(EACH_STEP)])
        assert np.array_equal(course.histograms[t], counts)


def record(folder, updates, **options):
    with SignalsFile(folder, **options) as file:
        for update in updates:
            file.append(update, ROWS, *step(update))
    return file


def test_what_is_written_is_read(tmp_path):
    record(tmp_path, range(0, 50, 10), title="t")
    course = read_signals(tmp_path)
    assert course.rows == ROWS
    assert course.updates.tolist() == [0, 10, 20, 30, 40]
    assert course.title == "t"
    assert_as_recorded(course)
    assert np.array_equal(read_signals(tmp_path / "signals.h5").updates, course.updates)


def test_plain_h5py_reads_the_documented_layout(tmp_path):
    record(tmp_path, range(4))
    with h5py.File(tmp_path / "signals.h5") as file:
        assert file.attrs["layout"] == 1
        (segment,) = file["segments"].values()
        assert segment["numbers/angle_below"].shape == (4, 3)
        assert segment["numbers/angle_below"].attrs["unit"] == NUMBERS["angle_below"].unit == "degrees"
        assert json.loads(segment["rows"][1])["layer"] == "conv1"
        assert np.array_equal(segment["bin_edges"], EDGES)
        assert segment["histograms/delta"].shape == (4, 3, BINS)
        assert segment["updates"][-1] == 3


def test_a_budget_is_kept_over_a_long_run_and_so_is_its_beginning(tmp_path):
    largest, now = 0, 0.0
    with SignalsFile(tmp_path, MIB, clock=lambda: now) as file:
        for update in range(240):
            now += 5.0  # a flush every sixth step
            file.append(update, ROWS, *step(update))
            largest = max(largest, sum(path.stat().st_size for path in tmp_path.rglob("*.*")))
    course = read_signals(tmp_path)
    assert MIB / 4 < largest <= MIB
    assert len(segments_of(tmp_path)) > 1
    assert course.updates[0] == 0
    (apart,) = set(np.diff(course.updates).tolist())  # thinned evenly
    assert apart in (2, 4, 8, 16)
    assert course.updates[-1] >= 240 - apart
    assert_as_recorded(course)
    told = {  # {the step at which a window ended: the one with which its numbers are kept}
        int(course.numbers[t, 0, -1]): u
        for t, u in enumerate(course.updates)
        if course.numbers[t, 0, -1] >= 0
    }
    windows = list(range(WINDOW - 1, 240, WINDOW))
    assert list(told) == windows
    assert all(0 < abs(told[u] - u) < apart for u in windows)


def test_a_resumed_run_records_again_from_its_checkpoint(tmp_path):
    record(tmp_path, range(10))
    record(tmp_path, range(6, 12))
    course = read_signals(tmp_path)
    assert course.updates.tolist() == list(range(12))
    with SignalsFile(tmp_path) as file:  # the same process may go back as well
        file.append(3, ROWS, *step(3))
    assert read_signals(tmp_path).updates.tolist() == [0, 1, 2, 3]


def _record_for_ever(folder):
    now = 0.0
    file = SignalsFile(folder, MIB, clock=lambda: now)
    for update in range(10**6):
        now += 20.0
        file.append(update, ROWS, *step(update))


@pytest.mark.parametrize("delay", [0.1, 0.31])
def test_a_kill_while_writing_leaves_readable_segments(tmp_path, delay):
    program = "import pathlib, runpy, sys; runpy.run_path(sys.argv[1])['_record_for_ever'](pathlib.Path(sys.argv[2]))"
    process = subprocess.Popen([sys.executable, "-c", program, __file__, str(tmp_path)])
    until = time.monotonic() + 60
    while len(segments_of(tmp_path)) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    process.wait()
    course = read_signals(tmp_path)
    assert_as_recorded(course)
    assert (np.diff(course.updates) > 0).all()
    for path in segments_of(tmp_path):
        with h5py.File(path) as file:
            assert len(file["updates"]) == len(file["numbers/norm_x"])
    record(tmp_path, range(course.updates[-1] + 1, course.updates[-1] + 9), budget=MIB)  # and goes on
    assert read_signals(tmp_path).updates[0] == 0


def test_a_full_disk_ends_the_recording_with_one_warning(tmp_path, monkeypatch):
    told = []
    file = SignalsFile(tmp_path, warn=told.append)
    file.append(0, ROWS, *step(0))
    file.flush()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("bionas_cupy.engine.atomic._sync", full)
        for update in range(1, 200):
            file.append(update, ROWS, *step(update))
        file._saved = -100.0
        file.append(200, ROWS, *step(200))
        file.append(201, ROWS, *step(201))
        file.close()
    assert len(told) == 1
    assert "No space left" in told[0]
    assert "the run goes on" in told[0]
    assert read_signals(tmp_path).updates.tolist() == [0]
    assert not list(tmp_path.rglob("*.bionas-tmp"))


def test_a_step_that_is_larger_than_the_budget_ends_the_recording(tmp_path):
    told = []
    random = np.random.default_rng(0)
    many = [Row(f"l{i}", -1, "linear", "bp", 32.0, (1, 1), "exact", "descent", ()) for i in range(2000)]
    with SignalsFile(tmp_path, MIB, warn=told.append) as file:
        for update in range(5):
            file.append(update, many, random.random((2000, len(NAMES))), None)
    assert len(told) == 1
    assert "needs more than the budget" in told[0]


def test_a_number_that_an_older_version_did_not_record_is_none(tmp_path):
    record(tmp_path, range(4))
    with h5py.File(segments_of(tmp_path)[0], "a") as file:
        del file["numbers/norm_mean_update"]
    course = read_signals(tmp_path)
    assert np.isnan(course.of("norm_mean_update")).all()
    assert_as_recorded(course)


def test_wrong_files_are_errors_for_people(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="holds no signals"):
        read_signals(tmp_path)
    with pytest.raises(UsageError, match="budget"):
        SignalsFile(tmp_path, 1000)
    monkeypatch.setattr(segments, "LAYOUT", 2)
    record(tmp_path, range(2))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="layout 2, expected 1"):
        read_signals(tmp_path)
    segments_of(tmp_path)[0].write_bytes(b"x")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_signals(tmp_path)
