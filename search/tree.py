"""Settings as nested dictionaries: from TOML files and from `--set a.b=c`, one on top of the other."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engine.errors import UsageError

Tree = dict[str, Any]


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """`over` on top of `under`, table by table."""
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = (
            merge(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
        )
    return merged


def read_toml(path: Path) -> Tree:
    """A configuration file. UsageError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f'configuration "{path}" cannot be read: {getattr(error, "strerror", None) or error}.'
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f'configuration "{path}" is not TOML: {error}.') from None


def settings(pairs: Sequence[str]) -> Tree:
    """`--set a.b=c` options as a tree; c is read as a TOML value, or else as text."""
    tree: Tree = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise UsageError(f'--set "{pair}" cannot be read.', "Write --set section.name=value.")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except (tomllib.TOMLDecodeError, RecursionError):
            value = text
        for part in reversed(name.split(".")):
            value = {part: value}
        tree = merge(tree, value)
    return tree
