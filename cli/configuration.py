"""From options to a configuration: preset < TOML file < options < --set."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engine.errors import UsageError
from ..engine.registry import split_rules
from ..search.config import Config, SearchConfig, build, search_presets
from ..search.tree import Tree, merge, read_toml, settings

# where an option's value goes; the others go by their own names
PLACES = {
    "data": "data.name",
    "data_dir": "data.dir",
    "subset": "data.subset",
    "alpha": "architecture.gradient",
    "price": "architecture.price",
    "partial": "size.partial",
    "weights": "space.weights",
    "rules": "space.rules",
    "space": "space.preset",
    "table": "table.file",
    "lr": "optimiser.lr",
    "channels": "size.channels",
    "cells": "size.cells",
    "shots": "data.shots",
    "constraint": "constraints",
    "readout": "readout.rule",
}


def asked_for(file: Path | None, options: Mapping[str, Any], pairs: Sequence[str]) -> Tree:
    """What a user asked for, without any preset: TOML file < options that were given < --set."""
    tree = read_toml(file) if file else {}
    for option, value in options.items():
        if value is not None:
            tree = merge(tree, _of_option(option, value))
    return merge(tree, settings(pairs))


def _of_option(option: str, value: Any) -> Tree:
    if option == "rules_file":
        return rules_file(value)
    return nested(PLACES.get(option, option), split_rules(value) if option == "rules" else value)


def widths(text: str | None) -> list[int] | None:
    """[500, 2000, 2000] of "500,2000x2"; None of None."""
    if text is None:
        return None
    parts = [re.fullmatch(r"\s*(\d+)(?:x(\d+))?\s*", part) for part in text.split(",")]
    if not all(parts):
        raise UsageError(
            f'--hidden "{text}" cannot be read.', "Write 256,128, or 2000x10 for ten layers of 2000."
        )
    return [int(part[1]) for part in parts if part for _ in range(int(part[2] or 1))]


def nested(name: str, value: Any) -> Tree:
    """{"a": {"b": value}} of "a.b"."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return dict(value)


def search_config(asked: Tree) -> SearchConfig:
    """The preset that was asked for, and everything else on top of it."""
    return build(SearchConfig, [search_presets(asked), asked])


def stored_config(kind: type[Config], path: Path, stored: Tree, asked: Tree) -> Config:
    """run.toml's configuration, what was asked for on top. UsageError for another command's run."""
    command = kind.model_fields["command"].default
    if stored.get("command") != command:
        other = stored.get("command", "another command")
        raise UsageError(
            f'"{path}" is a run of `{other}`, not of `{command}`.', f"Use bionas-cupy {other} --resume."
        )
    return build(kind, [stored, asked])


def rules_file(path: Path) -> Tree:
    """{"rules_per_layer": {pattern: rule}} of a TOML or JSON file."""
    if path.suffix != ".json":
        return {"rules_per_layer": read_toml(path)}
    try:
        table = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f'rules "{path}" cannot be read: {error.strerror}.') from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f'rules "{path}" is not JSON: {error}.') from None
    return {"rules_per_layer": table}
