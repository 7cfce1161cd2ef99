"""Validation errors for people: every complaint in one line, with the names that were probably meant."""

from collections.abc import Iterable
from typing import get_args

from pydantic import BaseModel, ValidationError

from ..engine.errors import did_you_mean

LONGEST = 80  # characters of a value that is shown


def complaints(error: ValidationError, known: Iterable[str] = ()) -> str:
    """'a.b: input should be greater than 0, got -1; ...'. known: the dotted names that exist."""
    return "; ".join(_complaint(item, list(known)) for item in error.errors())


def _complaint(item: object, known: list[str]) -> str:
    assert isinstance(item, dict)
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{name} is unknown." + (f" {did_you_mean(name, known)}" if known else "")
    if item["type"] == "missing":
        return f"{name} is missing"
    message = str(item["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:] if message.startswith("Input") else message
    if item["type"] in ("model_type", "model_attributes_type", "dict_type"):
        message = "input should be a table of settings"
    given = item.get("input")
    shown = f", got {_short(repr(given))}" if isinstance(given, int | float | str | bool) else ""
    return f"{name}: {message}{shown}" if name else message


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def dotted_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key of a configuration, as TOML sections name it: data.subset, optimiser.lr."""
    names = []
    for name, field in model.model_fields.items():
        kind = next(iter(get_args(field.annotation)), field.annotation)  # of a section that may be missing
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += dotted_names(kind, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names
