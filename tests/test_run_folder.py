"""Run folders: their states, what they refuse, their lock and their names."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bionas_cupy.engine.errors import CheckpointError, DataError, OutputError, UsageError
from bionas_cupy.engine.manifest import manifest
from bionas_cupy.engine.run_folder import RunFolder, State
from bionas_cupy.engine.run_names import claim_run_path
from run_folder_cases import ENVIRONMENT

TOML = 'seed = 1\n[search]\nepochs = 10\nrules = ["fa", "usf"]\n'
MANIFEST = manifest(1, "d0", "cpu", 2, {"usf": "r0"})


def start(path: Path) -> RunFolder:
    return RunFolder.create(path, TOML, MANIFEST)


def save_one(path: Path) -> None:
    with start(path) as run:
        run.journal.append({"step": 1, "score": {"loss": 0.5}})
        run.save({"w": np.ones(3)}, {"step": 1})


def test_from_new_to_finished(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "first"
    with start(path) as run:
        assert run.manifest == MANIFEST
        states = [run.state]
        run.save({"w": np.ones(3)}, {"step": 1})
        states.append(run.state)
        run.finish({"genotype.json": {"format": 1}})
        assert [*states, run.state] == [State.STARTED, State.SAVED, State.FINISHED]
    with RunFolder.open_for_resume(path) as finished:
        assert finished.state is State.FINISHED
        assert finished.load()[1] == {"step": 1}
        with pytest.raises(ValueError, match="not open for writing"):
            _ = finished.journal
    assert json.loads((path / "genotype.json").read_text()) == {"format": 1}


@pytest.mark.parametrize("kept", ["checkpoint.h5", "genotype.json", "result.json"])
def test_out_refuses_a_checkpoint_or_a_result(tmp_path: Path, kept: str) -> None:
    (tmp_path / kept).write_text("{}")
    with pytest.raises(UsageError, match=f"{kept}.*use --resume or another --out") as caught:
        start(tmp_path)
    assert caught.value.exit_code == 2
    assert os.listdir(tmp_path) == [kept]


def test_out_starts_again_where_there_is_no_checkpoint(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.journal.append({"step": 1})
    (tmp_path / ".run.toml.0123.bionas-tmp").write_text("half")
    with RunFolder.create(tmp_path, "seed = 2\n", MANIFEST) as run:
        assert (run.configuration, run.journal.offset) == ("seed = 2\n", 0)
    assert not list(tmp_path.glob("*.bionas-tmp"))


def test_resume_starts_afresh_without_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(TOML)
    (tmp_path / "journal.jsonl").write_text('{"step": 1}\n{"st')
    with RunFolder.open_for_resume(tmp_path) as run:
        assert run.state is State.STARTED
        run.begin(MANIFEST)
        assert (run.manifest, run.journal.offset) == (MANIFEST, 0)


def test_resume_cuts_the_journal_back(tmp_path: Path) -> None:
    save_one(tmp_path)
    kept = (tmp_path / "journal.jsonl").read_bytes()
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"step": 2}\n{"torn')
    with RunFolder.open_for_resume(tmp_path) as run:
        arrays, meta = run.load()
        assert (arrays["w"].tolist(), meta) == ([1.0, 1.0, 1.0], {"step": 1})
    assert (tmp_path / "journal.jsonl").read_bytes() == kept


def test_resume_of_no_run(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match=r"it has no run\.toml"):
            RunFolder.open_for_resume(path)


@pytest.mark.parametrize(
    ("name", "contents"),
    [("checkpoint.h5", b"half"), ("manifest.json", b"{"), ("manifest.json", b"[]"), ("journal.jsonl", b"")],
)
def test_resume_of_damaged_files(tmp_path: Path, name: str, contents: bytes) -> None:
    save_one(tmp_path)
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(CheckpointError, match=name), RunFolder.open_for_resume(tmp_path) as run:
        run.load()


def test_resume_with_a_changed_journal(tmp_path: Path) -> None:
    save_one(tmp_path)
    text = (tmp_path / "journal.jsonl").read_text()
    (tmp_path / "journal.jsonl").write_text(text.replace("0.5", "0.6"))
    with pytest.raises(CheckpointError, match="was changed"), RunFolder.open_for_resume(tmp_path) as run:
        run.load()


def test_same_configuration(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.check_same_configuration("search.rules = ['fa','usf']\nsearch.epochs = 10\nseed = 1")
        with pytest.raises(UsageError) as caught:
            run.check_same_configuration("seed = 2\n[search]\nepochs = 10\nprice = 0.1\n")
        text = str(caught.value)
        assert "seed was 1, now 2; search.rules was ['fa', 'usf'], now absent" in text
        assert "search.price was absent, now 0.1" in text
        assert "epochs" not in text
        run.check_same_configuration(TOML.replace("seed = 1", "seed = 2"), ignoring=["seed"])
        (tmp_path / "run.toml").write_text("seed =")
        with pytest.raises(CheckpointError, match=r"run\.toml"):
            run.check_same_configuration(TOML)


def test_same_rules_and_data(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.check_same_inputs(manifest(2, "d0", "cuda", 4, {"usf": "r0"}))
        with pytest.raises(UsageError, match=r"Rules changed .*: mine, usf\."):
            run.check_same_inputs(manifest(1, "d0", "cpu", 2, {"usf": "r1", "mine": "r2"}))
        with pytest.raises(DataError, match="d1, expected d0"):
            run.check_same_inputs(manifest(1, "d1", "cpu", 2, {"usf": "r0"}))


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OutputError, match="A file stands in the place") as caught:
            start(path)
        assert caught.value.exit_code == 7


def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        start(tmp_path)


def test_lock_is_held_against_another_process_until_it_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from bionas_cupy.engine.run_folder import RunFolder\n"
        "run = RunFolder.create(Path(sys.argv[1]), '', {}); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for attempt in (start, RunFolder.open_for_resume):
            with pytest.raises(UsageError, match=f"another process .number {holder.pid}."):
                attempt(tmp_path)
        holder.kill()
    RunFolder.open_for_resume(tmp_path).close()


def test_claimed_names(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    assert claim_run_path(root=root) == root / "search-1"
    (root / "search-9").mkdir()
    assert [claim_run_path(name, root).name for name in ("search", "train")] == ["search-10", "train-1"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        claim_run_path(root=tmp_path / "file")
