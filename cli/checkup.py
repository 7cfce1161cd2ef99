"""What `bionas-cupy doctor` looks at: one function a line."""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ..engine import backend, kernels
from ..engine.errors import DeviceError
from ..engine.kernels.arrays import has_numba
from ..engine.kernels.threads import get_threads
from ..engine.manifest import versions
from .line import Line
from .resources import disk, memory, writable


def checkup() -> list[Line]:
    """Every line, in order."""
    checks: list[Callable[[], Line]] = [python, libraries, device, threads, numba, disk, memory, terminal]
    return [check() for check in checks]


def python() -> Line:
    return Line("python", f"{platform.python_version()} on {platform.platform()}")


def libraries() -> Line:
    return Line(
        "versions", ", ".join(f"{name} {v}" for name, v in versions().items() if v and name != "python")
    )


def device() -> Line:
    """What --device auto takes; where that is the CPU, why not CUDA."""
    chosen = backend.select("auto")
    if chosen.device == "cuda":
        return Line("device", f"cuda: {chosen.description}")
    try:
        backend.select("cuda")
    except DeviceError as error:
        return Line("device", f"cpu: {chosen.description}", f"{error}", "note")
    return Line("device", f"cpu: {chosen.description}")


def threads() -> Line:
    count, usable = get_threads(), len(os.sched_getaffinity(0))
    text = f"{count}, for {usable} processors"
    if count > usable:
        return Line(
            "threads", text, f"Set NUMBA_NUM_THREADS={usable}: more threads than processors wait.", "note"
        )
    return Line("threads", text)


def numba() -> Line:
    """Whether compiled kernels run, and are kept from one run to the next."""
    if not has_numba():
        cure = "The NumPy references run instead, several times slower: install 'bionas-cupy[cpu]'."
        return Line("numba", "not installed", cure, "note")
    folder = cache_folder()
    if folder is None:
        cure = "Every run compiles anew: set NUMBA_CACHE_DIR to a folder that you may write to."
        return Line("numba", "no folder for compiled kernels", cure, "note")
    return Line("numba", f"compiled kernels are kept in {folder}")


def cache_folder() -> Path | None:
    """The first of Numba's places that can be written."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    beside = Path(kernels.__file__).with_name("__pycache__")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "numba"
    places = [Path(given)] if given else [beside, home]
    return next((place for place in places if writable(place)), None)


def terminal() -> Line:
    shown = "a progress bar" if sys.stderr.isatty() else "a progress line each epoch and every 30 s"
    return Line("terminal", f"{shown}; {sys.stdout.encoding} on stdout")


def warm_up() -> Line:
    """One step of a search and one of its architecture weights, in a folder that goes again."""
    from ..engine.stopping import Stopping
    from ..search.config import SEARCH_PRESETS, SearchConfig, build
    from ..search.search_run import run_search, start

    if find_spec("numba") is None:
        return Line("warm", "nothing to compile without numba", "", "note")
    short = {"epochs": 1, "images_per_epoch": 32, "architecture": {"warmup": 0.0}}
    config, began = build(SearchConfig, [SEARCH_PRESETS["smoke"], short]), time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        start(config, Path(folder) / "run") as run,
        Stopping() as stopping,
    ):
        run_search(config, run, stopping, lambda moment: None)
    return Line("warm", f"kernels are compiled ({time.monotonic() - began:.0f} s)")
