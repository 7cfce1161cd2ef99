"""A whole `bionas-cupy search` with no option, in a process of its own; its kernels have been compiled before."""

import resource
import subprocess
import sys
import tempfile

from ..machine import MB
from ..subject import Subject

COMMAND = [sys.executable, "-m", "bionas_cupy.cli.main"]


def build() -> Subject:
    subprocess.run([*COMMAND, "doctor", "--warm"], stdout=subprocess.DEVNULL, check=True)
    return Subject(search, warm_up=0, peak_mb=children_mb, first=False)


def search() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [*COMMAND, "search", "-q", "--out", f"{folder}/run"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return {}


def children_mb() -> float:
    """The most memory that one of them had resident."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / MB
