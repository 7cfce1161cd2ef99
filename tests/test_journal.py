"""Journals: whole lines, cut back, and a full disk."""

from pathlib import Path

import pytest
from bionas_cupy.engine import journal as journals
from bionas_cupy.engine.errors import CheckpointError, OutputError
from bionas_cupy.engine.journal import Journal


def test_journal_keeps_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({"score": {"loss": 1 / 3}, "note": "ü\n"})
        end = journal.offset
        journal.append({"score": {}})
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        records = journals.read(path)
        assert len(records) == (length >= end) + (length == len(whole))
        assert all(isinstance(each.pop("time"), str) for each in records)
        assert records[:1] in ([], [{"score": {"loss": 1 / 3}, "note": "ü\n"}])
    path.write_bytes(b"{}\nbad\n{}\n")
    with pytest.raises(CheckpointError, match="line 2"):
        journals.read(path)
    assert journals.read(tmp_path / "missing") == []
    with pytest.raises(CheckpointError, match="Cannot read journal"):
        journals.read(tmp_path)


def test_journal_on_a_full_disk() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with Journal(Path("/dev/full")) as journal, pytest.raises(OutputError, match="No space left"):
        journal.append({})
