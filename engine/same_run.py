"""May this run go on? Only with the configuration, rules and data that it was started with."""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from .errors import CheckpointError, DataError, UsageError
from .seal import CURE


def settings_of(folder: Path, text: str) -> dict[str, Any]:
    """The tree of a run.toml. CheckpointError if it is damaged."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CheckpointError(f'"{folder}/run.toml" is damaged: {error}.', CURE) from error


def check_same_configuration(folder: Path, stored: str, asked: str, ignoring: Collection[str] = ()) -> None:
    """Compare two TOML texts, but for the dotted keys `ignoring`. UsageError names each difference."""
    before = flat_settings(settings_of(folder, stored))
    found = _differences(before, flat_settings(tomllib.loads(asked)), ignoring)
    if found:
        raise UsageError(
            f'"{folder}" was started with another configuration: {"; ".join(found)}.',
            "Resume without these changes, or start a new run with another --out.",
        )


def check_same_inputs(
    folder: Path, stored: Mapping[str, Any], asked: Mapping[str, Any], accept_changed_rules: bool = False
) -> None:
    """Compare two manifests: UsageError for a changed rule, unless that is accepted; DataError for changed data."""
    if not stored:
        raise CheckpointError(f'"{folder}/manifest.json" is missing.', CURE)
    changed = changed_rules(stored, asked)
    if changed and not accept_changed_rules:
        files = {**stored.get("rule_files", {}), **asked.get("rule_files", {})}
        named = [f'{rule} ("{files[rule]}")' if rule in files else rule for rule in changed]
        kept = ' A copy of the file as it was lies in the run\'s folder "rules".' if files else ""
        raise UsageError(
            f'Rules changed since "{folder}" was started: {", ".join(named)}.{kept}',
            "Restore them, start a new run with another --out, or go on with the changed ones: --accept-changed-rules.",
        )
    if stored.get("data_digest") != asked["data_digest"]:
        raise DataError(
            f'The data changed since "{folder}" was started: SHA-256 {asked["data_digest"]}, '
            f"expected {stored.get('data_digest')}.",
            "Restore the data files, or start a new run with another --out.",
        )


def changed_rules(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """The rules whose digests differ between two manifests."""
    before, after = stored.get("rule_digests", {}), asked["rule_digests"]
    return [rule for rule in sorted({*before, *after}) if before.get(rule) != after.get(rule)]


def flat_settings(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a.b": value} of {"a": {"b": value}}."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= flat_settings(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _differences(before: dict[str, Any], after: dict[str, Any], ignoring: Collection[str]) -> list[str]:
    keys = [key for key in dict.fromkeys([*before, *after]) if key not in ignoring]
    shown = [(key, _shown(before, key), _shown(after, key)) for key in keys]
    return [f"{key} was {old}, now {new}" for key, old, new in shown if old != new]


def _shown(table: dict[str, Any], key: str) -> str:
    return repr(table[key]) if key in table else "absent"
