"""The rules of users' files in a run: each run keeps a copy of the file, and a genotype names that copy.

    runs/search-1/rules/mine.py          the file as it was when the run began
    runs/search-1/genotype.json          "rule_files": {"mine": {"file": "rules/mine.py:MyRule", "sha256": …}}

So a run's folder is whole: `train runs/search-1` takes the rule with which the cells were found, wherever the
folder lies and whatever has become of the file; and a run whose file has gone goes on with its copy.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..engine.errors import UsageError
from ..engine.registry import make_rule
from ..engine.rule import Rule
from ..engine.rule_files import split_file_spec, stand_in
from ..engine.rule_source import FOLDER, RuleCopy, rule_copies
from ..engine.run_folder import RunFolder, State
from ..engine.same_run import changed_rules


def begin_or_go_on(
    folder: RunFolder, made: dict[str, Any], rules: Iterable[Rule], accept_changed_rules: bool
) -> None:
    """Begin the run with this manifest, or compare it with the one with which the saved run began.

    Raises UsageError for rules that have changed, unless they are accepted, and DataError for changed data.
    """
    copies = rule_copies(rules)
    made["rule_files"] = {name: copy.original for name, copy in copies.items()}
    if folder.state is not State.SAVED:
        folder.begin(made, _contents(copies))
        return
    folder.check_same_inputs(made, accept_changed_rules)
    if changed_rules(folder.manifest, made):
        folder.keep(_contents(copies))
        folder.accept_rules(made)


def use_copies(folder: RunFolder) -> list[Path]:
    """Let the run's copies stand in for its rule files that are no longer there; the paths of those."""
    gone = []
    for name, original in folder.manifest.get("rule_files", {}).items():
        parts = split_file_spec(original)
        copy = folder.path / FOLDER / f"{name}.py"
        if parts and not parts[0].exists() and copy.is_file():
            stand_in(copy, parts[0])
            gone.append(parts[0])
    return gone


def rule_files(rules: Iterable[Rule]) -> dict[str, dict[str, str]]:
    """`rule_files` of a genotype: {name: {"file", "sha256"}} of the copies that its run keeps."""
    return {name: copy.to_json() for name, copy in rule_copies(rules).items()}


def named_files(rules: Iterable[Rule]) -> dict[str, dict[str, str]]:
    """`rule_files` of a genotype that lies in no run: the files themselves, by their whole paths."""
    copies = rule_copies(rules).items()
    return {name: {"file": copy.original, "sha256": copy.file.digest} for name, copy in copies}


def copies_named(names: Iterable[str]) -> dict[str, bytes]:
    """{path from the run's folder: contents} for these rules, which have been loaded."""
    return _contents(rule_copies(make_rule(name) for name in names))


def load_rule_files(tree: Any, genotype: str, folder: Path) -> None:
    """Load the rule files that a genotype's JSON names, from its folder; the entries become those of a run's copies.

    Raises UsageError where a file is missing, has changed, or does not define the rule.
    """
    entries = tree.get("rule_files") if isinstance(tree, dict) else None
    if not isinstance(entries, dict):
        return  # there are none, or the genotype's own validation refuses them
    for name, entry in entries.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            raise UsageError(
                f'{genotype}: rule_files.{name} is {entry!r}, expected {{"file": "path.py:Class"}}.'
            )
        path, kind = _find(name, entry["file"], genotype, folder)
        digest = sha256(path.read_bytes()).hexdigest()
        if entry.get("sha256") not in (None, digest):
            raise UsageError(
                f'{genotype}: rule "{name}": the file "{path}" is not the one that the genotype was made with: '
                f"SHA-256 {digest}, expected {entry['sha256']}.",
                'Restore it, or take "sha256" out of the genotype to go on with the file as it is.',
            )
        rule = make_rule(f"{path}:{kind}" if kind else str(path))
        if rule.name != name:
            raise UsageError(f'{genotype}: "{path}" defines rule "{rule.name}", expected "{name}".')
        entries[name] = rule_copies([rule])[name].to_json()


def _find(name: str, spec: str, genotype: str, folder: Path) -> tuple[Path, str]:
    """(file, class)."""
    parts = split_file_spec(spec)
    if parts is None:
        raise UsageError(
            f'{genotype}: rule "{name}": "{spec}" names no rule file.',
            'Write "path.py:Class", from its folder.',
        )
    path, kind = folder / parts[0], parts[1]
    if not path.is_file():
        raise UsageError(
            f'{genotype}: the file "{path}" of rule "{name}" does not exist.',
            "Copy it there from the run that wrote the genotype, or correct its path under rule_files.",
        )
    return path, kind


def _contents(copies: Mapping[str, RuleCopy]) -> dict[str, bytes]:
    return {copy.spec.partition(":")[0]: copy.file.source for copy in copies.values()}
