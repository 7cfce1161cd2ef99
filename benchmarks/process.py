"""A worker from outside: started, asked for steps, ended."""

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from ..engine.errors import BionasError, DeviceError

PACKAGE = Path(__file__).resolve().parents[1]


class Job(NamedTuple):
    """What a worker does: the module whose `build` takes the settings, and variables of its environment."""

    kind: str
    settings: dict[str, Any]
    environment: tuple[tuple[str, str], ...] = ()


class GaveUp(Exception):
    """A worker that did not answer in time."""


class Worker:
    """`with Worker(job, threads) as worker:` a process that has taken its first steps; `told` is what they told.

    base_mb, peak_mb: the most memory before and after them.
    limit: seconds for the start and the warm-up; GaveUp after them. Raises DeviceError where memory ran out,
    BionasError with the last line of stderr where anything else failed.
    """

    def __init__(self, job: Job, threads: int, limit: float | None = None) -> None:
        self.job, self.errors = job, tempfile.TemporaryFile()  # noqa: SIM115  (closed with the worker)
        argument = json.dumps({"kind": job.kind, "settings": job.settings, "threads": threads})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bionas_cupy.benchmarks.worker", argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment(job, threads),
        )
        try:
            first = self.answer(limit)
        except BaseException:
            self.close()
            raise
        self.told: dict[str, float] = first["told"]
        self.base_mb, self.peak_mb = float(first["base_mb"]), float(first["peak_mb"])

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def step(self) -> dict[str, Any]:
        """{"seconds", "others", "peak_mb"} of one more span."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.failure() from None
        return self.answer(None)

    def answer(self, limit: float | None) -> dict[str, Any]:
        assert self.process.stdout is not None
        if limit is not None and not select.select([self.process.stdout], [], [], limit)[0]:
            raise GaveUp
        line = self.process.stdout.readline()
        if not line:
            raise self.failure()
        found: dict[str, Any] = json.loads(line)
        return found

    def failure(self) -> BionasError:
        code = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"exit code {code}"
        if code == -9 or "MemoryError" in said or "can't allocate memory" in said:
            return DeviceError(f"{self.job.kind}: not enough memory.", "End other programs.")
        return BionasError(f"{self.job.kind} failed: {said}")

    def close(self) -> None:
        """End the process: nothing that it holds is worth waiting for."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream is not None:
                stream.close()


def environment(job: Job, threads: int) -> dict[str, str]:
    """This process's, the worker's own variables on top; it finds the package where this process found it."""
    counts = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    root = PACKAGE.parent if PACKAGE.name == "bionas_cupy" else PACKAGE
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **counts, "PYTHONPATH": os.pathsep.join(paths), **dict(job.environment)}
