"""The folder in which a command works: a new one, the one named by --out, or the one to --resume."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..engine.errors import DataError, DeviceError, UsageError
from ..engine.run_folder import RunFolder, State
from ..engine.run_names import claim_run_path
from ..search.config import Config
from ..search.rule_copies import use_copies
from ..search.toml import to_toml
from ..search.tree import Tree
from .configuration import stored_config

MOVABLE = {"data.dir", "table.file"}  # the data may have moved: their digests tell whether they are the same


def check_out_or_resume(out: Path | None, resume: Path | None) -> None:
    if out == Path() or resume == Path():
        raise UsageError("--out and --resume name a folder, and this one is the working folder itself.")
    if out and resume:
        raise UsageError("--out and --resume exclude each other:", "a resumed run stays in its folder.")


@contextmanager
def new_run(
    config: Config, start: Callable[[Config, Path], RunFolder], out: Path | None
) -> Iterator[RunFolder]:
    """A new run in --out, or in a fresh folder of runs/, which goes again where the run cannot even begin."""
    path = out or claim_run_path(config.command)
    try:
        with start(config, path) as folder:
            yield folder
    except (UsageError, DataError, DeviceError, OSError, KeyboardInterrupt):
        if out is None and not (path / "checkpoint.h5").exists():
            shutil.rmtree(path, ignore_errors=True)
        raise


@contextmanager
def resumed_run(kind: type[Config], path: Path, asked: Tree) -> Iterator[tuple[Config, RunFolder]]:
    """The run in `path` with its configuration; what is asked for again has to agree with it."""
    with RunFolder.open_for_resume(path) as folder:
        for gone in use_copies(folder):
            print(f'"{gone}" has gone: its copy in "{path}" takes its place.', file=sys.stderr)
        config = stored_config(kind, path, folder.settings, asked)
        folder.check_same_configuration(to_toml(config), MOVABLE)
        yield config, folder


@contextmanager
def opened_run(
    kind: type[Config],
    asked: Tree,
    fresh: Callable[[Tree], Config],
    start: Callable[[Config, Path], RunFolder],
    out: Path | None,
    resume: Path | None,
) -> Iterator[tuple[Config, RunFolder, bool]]:
    """(configuration, folder, whether anything is left to do)."""
    check_out_or_resume(out, resume)
    if resume:
        with resumed_run(kind, resume, asked) as (config, folder):
            yield config, folder, folder.state is not State.FINISHED
        return
    config = fresh(asked)
    with new_run(config, start, out) as folder:
        yield config, folder, True
