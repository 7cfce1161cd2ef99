"""Trainings side by side: each is a run of its own in a process of its own, on one thread.

    prepare    run folders with their configurations; those that are there already have to have the same ones
    train_all  `bionas-cupy train --resume FOLDER`, several at once, until all are finished or a signal comes

So whatever stops them, the same command goes on where they were.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..engine.atomic import write_json
from ..engine.errors import BionasError, DivergedError, StoppedError, UsageError
from ..engine.run_folder import RunFolder, State
from ..engine.stopping import Stopping
from ..engine.words import several
from .config import TrainConfig
from .genotype import AnyGenotype, read_genotype
from .rule_copies import named_files
from .toml import to_toml
from .train_run import start

START = "import sys; from bionas_cupy.cli.main import main; sys.exit(main())"
THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LOOK = 0.2  # seconds
PLACES = {"data.dir"}


def prepare(config: TrainConfig, genotype: AnyGenotype, path: Path) -> None:
    """A run folder for this training, if there is none. Raises UsageError where there is one with other settings."""
    folder = RunFolder(path)
    if folder.state is State.NEW:
        start(config, path).close()
        return
    folder.check_same_configuration(to_toml(config), PLACES)
    if folder.manifest.get("genotype") != genotype.to_json():
        raise UsageError(f'"{path}" was started with another genotype.', "Use another --out.")


def written(genotype: AnyGenotype, path: Path) -> AnyGenotype:
    """The genotype as it is read back from a new file, its rules' files named by their whole paths."""
    named = genotype.model_copy(update={"rule_files": named_files(genotype.used_rules())})
    write_json(path, named.to_json())
    return read_genotype(path)


class Ended(Exception):
    """A training that a signal has stopped."""


def train_all(
    paths: Sequence[Path], workers: int, stopping: Stopping, report: Callable[[Path, str], None]
) -> list[Path]:
    """Train those that are not finished; the paths of those that diverged. report(path, what became of it).

    Raises StoppedError where a signal came: all are saved. The first other error of a training is raised when those
    beside it have been stopped.
    """
    halted: list[bool] = []

    def one(path: Path) -> bool:
        if RunFolder(path).state is State.FINISHED:
            return True
        if halted or stopping.requested is not None:
            raise Ended
        try:
            finished = train(path, lambda: bool(halted) or stopping.requested is not None)
        except Exception:
            halted.append(True)
            raise
        report(path, "finished" if finished else "diverged")
        return finished

    with ThreadPoolExecutor(workers) as threads:
        futures = [threads.submit(one, path) for path in paths]
    errors = [future.exception() for future in futures]
    for error in (e for e in errors if e is not None and not isinstance(e, Ended)):
        raise error
    if stopping.requested is not None:
        done = sum(error is None for error in errors)
        cure = f"The same command with --out {shlex.quote(str(paths[0].parent))} goes on."
        raise StoppedError(
            f"Stopped and saved after {done} of {several(len(paths), 'training')}.", cure, stopping.requested
        )
    return [path for path, future in zip(paths, futures, strict=True) if not future.result()]


def environment() -> dict[str, str]:
    """One thread, and this package wherever it was found."""
    root = str(Path(sys.modules["bionas_cupy"].__path__[0]).parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": os.pathsep.join(paths)}


def train(path: Path, stopped: Callable[[], bool]) -> bool:
    """One training to its end; False where it diverged. Raises Ended where it was stopped, else its error."""
    words = [sys.executable, "-P", "-c", START, "train", "--resume", str(path), "-q"]
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stderr is not None
    asked = False
    while process.poll() is None:
        if stopped() and not asked:
            process.send_signal(signal.SIGTERM)
            asked = True
        time.sleep(LOOK)
    told = process.stderr.read().strip()
    process.stderr.close()
    match process.returncode:
        case 0:
            return True
        case DivergedError.exit_code:
            return False
        case 130 | 143:
            raise Ended
        case code:
            error = BionasError(f"{path}: {told.removeprefix('bionas-cupy: error: ')}")
            error.exit_code = code if code > 0 else BionasError.exit_code
            raise error
