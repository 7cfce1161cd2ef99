"""The folder of one run: run.toml, manifest.json, journal.jsonl, checkpoint.h5 and its results.

    new       →  manifest.json, then run.toml: from here on the folder is a run
    started   →  journal.jsonl, then checkpoint.h5, again and again
    saved     →  results (genotype.json …), then "finished" in manifest.json
    finished

Every file but the journal is replaced atomically, and the last one written is the mark of the state: a kill
at any instant leaves one of these four. An open run is locked until its process ends.
"""

import json
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from . import checkpoint, same_run
from .atomic import JSON, clean_orphans, output_errors, write_bytes, write_json, write_text
from .errors import CheckpointError, UsageError
from .journal import Journal
from .lock import Lock
from .manifest import now
from .seal import CURE

RESULTS = ("genotype.json", "result.json")


class State(Enum):
    """How far a run has come."""

    NEW = "new"
    STARTED = "started, without a checkpoint"
    SAVED = "with a checkpoint"
    FINISHED = "finished"


class RunFolder:
    """A run, opened by `create` or `open_for_resume`. Close it, or use `with`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint.h5"
        self._lock: Lock | None = None
        self._journal: Journal | None = None

    @classmethod
    def create(
        cls,
        path: Path,
        config_toml: str,
        manifest: Mapping[str, JSON],
        copies: Mapping[str, bytes] | None = None,
    ) -> Self:
        """Start a run in a new folder, or in one without a checkpoint (what a run left there is forgotten).

        copies: files to keep in it, by their paths from the folder.

        UsageError if it holds a checkpoint or a result, or is in use; OutputError if it cannot be written.
        """
        run = cls(path)
        try:
            with output_errors(path):
                run._refuse_if_taken()
                path.mkdir(parents=True, exist_ok=True)
                run._open()
                run._refuse_if_taken()  # again, now that nobody else can write
                (path / "run.toml").unlink(missing_ok=True)
            run.begin(manifest, copies)
            write_text(path / "run.toml", config_toml)
        except BaseException:
            run.close()
            raise
        return run

    @classmethod
    def open_for_resume(cls, path: Path) -> Self:
        """Open a run as it was left; ask `state` next. A finished one is neither locked nor written.

        UsageError if it has no run.toml or is in use; CheckpointError if a file is damaged.
        """
        run = cls(path)
        with output_errors(path):
            state = run.state
        if state is State.NEW:
            raise UsageError(f'"{path}" is not a run: it has no run.toml.', f'Start one with --out "{path}".')
        if state is not State.FINISHED:
            run._open()
        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the folder back; a second time does nothing."""
        if self._journal:
            self._journal.close()
        if self._lock:
            self._lock.close()
        self._journal = self._lock = None

    @property
    def state(self) -> State:
        """How far the run on disk has come."""
        manifest = self.manifest
        if not (self.path / "run.toml").is_file():
            return State.NEW
        results = [self.path / name for name in manifest.get("results", [])]
        if manifest.get("finished") and all(result.is_file() for result in results):
            return State.FINISHED
        return State.SAVED if self.checkpoint.exists() else State.STARTED

    @property
    def configuration(self) -> str:
        """The text of run.toml."""
        return _text(self.path / "run.toml")

    @property
    def settings(self) -> dict[str, Any]:
        """run.toml as a tree. CheckpointError if it is damaged."""
        return same_run.settings_of(self.path, self.configuration)

    @property
    def manifest(self) -> dict[str, Any]:
        """manifest.json; {} where there is none. CheckpointError if it is damaged."""
        return self.read("manifest.json") if (self.path / "manifest.json").exists() else {}

    def read(self, name: str) -> dict[str, Any]:
        """A JSON object of this folder: manifest.json or a result. CheckpointError if it is missing or damaged."""
        path = self.path / name
        try:
            contents = json.loads(_text(path))
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f'"{path}" is damaged: {error}.', CURE) from error
        if not isinstance(contents, dict):
            raise CheckpointError(f'"{path}" is damaged: expected a JSON object.', CURE)
        return contents

    @property
    def journal(self) -> Journal:
        """The journal to append to; ValueError if the run is not open for writing."""
        if self._journal is None:
            raise ValueError(f'run "{self.path}" is not open for writing')
        return self._journal

    def check_same_configuration(self, config_toml: str, ignoring: Collection[str] = ()) -> None:
        """UsageError where `config_toml` differs from run.toml, but for the dotted keys `ignoring`."""
        same_run.check_same_configuration(self.path, self.configuration, config_toml, ignoring)

    def check_same_inputs(self, manifest: Mapping[str, Any], accept_changed_rules: bool = False) -> None:
        """UsageError where a rule has changed since the start, DataError where the data have."""
        same_run.check_same_inputs(self.path, self.manifest, manifest, accept_changed_rules)

    def begin(self, manifest: Mapping[str, JSON], copies: Mapping[str, bytes] | None = None) -> None:
        """Start at the first step: an empty journal, this manifest. Also to resume what is only STARTED."""
        self.journal.cut_back(0)
        self.keep(copies or {})
        write_json(self.path / "manifest.json", manifest)

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """Write files into the folder, by their paths from it."""
        for name, contents in copies.items():
            with output_errors(self.path / name):
                (self.path / name).parent.mkdir(exist_ok=True)
            write_bytes(self.path / name, contents)

    def accept_rules(self, manifest: Mapping[str, Any]) -> None:
        """Go on with changed rules: the manifest keeps the digests that it had, and when they changed."""
        before = self.manifest
        changed = {"date": now(), "rule_digests": before.get("rule_digests", {})}
        kept = {"rule_digests": manifest["rule_digests"], "rule_files": manifest.get("rule_files", {})}
        history = [*before.get("changed_rules", []), changed]
        write_json(self.path / "manifest.json", {**before, **kept, "changed_rules": history})

    def save(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, JSON]) -> None:
        """Write checkpoint.h5, with the journal's position beside `meta` (as "journal": a reserved key)."""
        if "journal" in meta:
            raise ValueError('meta: "journal" is a reserved key')
        checkpoint.save(self.checkpoint, arrays, {**meta, "journal": self.journal.position()})

    def load(self) -> tuple[checkpoint.Arrays, checkpoint.Meta]:
        """What the last `save` was given; cuts the journal back to it where the run is open for writing.

        CheckpointError if the checkpoint or the journal is missing, damaged or of another format.
        """
        arrays, meta = checkpoint.load(self.checkpoint)
        position = meta.pop("journal", None)
        if position is None:
            raise CheckpointError(f'"{self.checkpoint}" is the checkpoint of no run: no journal.', CURE)
        if self._journal:
            self._journal.cut_back(position["offset"], position["sha256"])
        return arrays, meta

    def finish(self, results: Mapping[str, JSON]) -> None:
        """Write the results, {"genotype.json": …}, and then the mark that the run is finished."""
        if not results.keys() & set(RESULTS):
            raise ValueError(f"finish: expected one of {RESULTS}, by which a finished run is known")
        for name, result in results.items():
            write_json(self.path / name, result)
        write_json(self.path / "manifest.json", {**self.manifest, "finished": now(), "results": [*results]})

    def _open(self) -> None:
        self._lock = Lock(self.path)
        try:
            clean_orphans(self.path)
            self._journal = Journal(self.path / "journal.jsonl")
        except BaseException:
            self.close()
            raise

    def _refuse_if_taken(self) -> None:
        for name in ("checkpoint.h5", *RESULTS):
            if (self.path / name).exists():
                raise UsageError(
                    f'"{self.path}" already holds a run ({name}):', "use --resume or another --out."
                )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f'Cannot read "{path}": {error}.', CURE) from error
