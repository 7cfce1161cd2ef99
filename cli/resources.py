"""The disk and the memory that a run may take."""

import os
import shutil
from pathlib import Path

from ..engine.errors import DeviceError, OutputError
from .line import Line

LEAST_DISK, LEAST_MEMORY = 1 << 30, 1 << 30  # bytes: below these a run of some size may not end well


def writable(folder: Path) -> bool:
    """Whether a file could be made there, the folder and those above it included."""
    places = (folder.absolute(), *folder.absolute().parents)
    there = next(each for each in places if os.path.exists(each))  # Path.exists raises in a forbidden folder
    return os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK)


def disk() -> Line:
    """Where runs go by default."""
    runs = Path("runs")
    if not writable(runs):
        return Line(
            "disk",
            f"{runs.absolute()} cannot be written",
            "Name another folder: --out.",
            "problem",
            OutputError,
        )
    free = shutil.disk_usage(runs if runs.is_dir() else ".").free
    text = f"{size(free)} free in {runs.absolute()}"
    if free < LEAST_DISK:
        return Line(
            "disk", text, "Free some space, or name a folder on another disk: --out.", "problem", OutputError
        )
    return Line("disk", text)


def memory() -> Line:
    free = available_memory()
    if free is None:
        return Line("memory", "unknown on this system", "", "note")
    if free < LEAST_MEMORY:
        return Line(
            "memory",
            f"{size(free)} free",
            "End other programs, or take small batches.",
            "problem",
            DeviceError,
        )
    return Line("memory", f"{size(free)} free")


def available_memory() -> int | None:
    """Bytes that programs may still take, as Linux estimates them."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")), None)


def size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
