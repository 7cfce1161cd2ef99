"""Scores out of a run's journal."""

from typing import Any

from ..engine.journal import read
from ..engine.run_folder import RunFolder


def last_score(folder: RunFolder) -> dict[str, Any]:
    """The score of the last finished epoch."""
    records = [record for record in read(folder.path / "journal.jsonl") if "score" in record]
    return dict(records[-1]["score"]) if records else {}
