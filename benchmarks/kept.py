"""Results of one rule and seed each, a JSON file apiece: what is there is read, so a script may be started again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..engine.atomic import write_json

Found = dict[str, list[Any]]


def results(out: Path, rules: str, seeds: str, make: Callable[[str, int], Any] | None) -> Found:
    """{rule: results, a seed each} of out/RULE-SEED.json, for comma-separated rules and seeds.

    make: gives what is not there yet, or None where it cannot; None to read only.
    """
    found: Found = {}
    for seed in seeds.split(","):
        for rule in rules.split(","):
            path = out / f"{rule}-{seed}.json"
            if not path.exists() and make is not None and (made := make(rule, int(seed))) is not None:
                out.mkdir(parents=True, exist_ok=True)
                write_json(path, made)
                print(path, flush=True)
            if path.exists():
                found.setdefault(rule, []).append(json.loads(path.read_text()))
    return found
