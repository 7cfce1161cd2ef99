"""run.toml: a resolved configuration as TOML text (tomllib reads, nothing in the standard library writes)."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def to_toml(config: BaseModel) -> str:
    """Scalars first, then a [section] for each sub-model. What is None is left out, as TOML has no null."""
    return _table(config.model_dump(exclude_none=True, mode="json"), "")


def _table(values: Mapping[str, Any], name: str) -> str:
    lines = [f"[{name}]"] if name else []
    lines += [f"{_key(k)} = {_value(v)}" for k, v in values.items() if not isinstance(v, Mapping)]
    text = "\n".join(lines) + "\n"
    for key, value in values.items():
        if isinstance(value, Mapping):
            text += "\n" + _table(value, f"{name}.{_key(key)}".lstrip("."))
    return text


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, float):
        return repr(value)  # 1e-05 is a TOML float, and repr gives every bit back
    return _string(value) if isinstance(value, str) else json.dumps(value)  # integers, booleans: as in JSON


def _string(text: str) -> str:
    """As in JSON, but TOML has no surrogate pairs (any character may stand for itself) and escapes DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
