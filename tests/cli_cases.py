"""What commands print and leave, read back. The commands themselves are fixtures of conftest.py."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., tuple[int, str, str]]
InLines = Callable[..., tuple[int, list[str], str]]

THREE_STEPS = ["-q", "--subset", "96", "--batch", "32", "--steps", "3"]  # of inspect


def objects(out: str) -> list[dict[str, Any]]:
    """JSON Lines."""
    return [json.loads(line) for line in out.splitlines()]


def journal(folder: str | Path) -> list[dict[str, Any]]:
    """What a run wrote of each epoch or candidate, but for the times."""
    return [line | {"time": ""} for line in objects(Path(folder, "journal.jsonl").read_text())]


def check_refused(found: tuple[int, list[str], str], said: str, code: int = 2) -> None:
    """One line on stderr, nothing on stdout, and no run begun in this folder."""
    assert found[:2] == (code, [])
    assert said in found[2]
    assert len(found[2].splitlines()) == 1
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def found_in(folder: str | Path) -> dict[str, Any]:
    """genotype.json."""
    tree: dict[str, Any] = json.loads(Path(folder, "genotype.json").read_text())
    return tree
