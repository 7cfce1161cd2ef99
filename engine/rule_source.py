"""What a rule's numbers rest on: the digest of its source, and the copy of a user's file that a run keeps."""

import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from . import rules as built_in
from .rule import Rule
from .rule_files import RuleFile, file_of

FOLDER = "rules"  # of a run, with the copies


def rule_digests(rules: Iterable[Rule]) -> dict[str, str]:
    """SHA-256 of the source files of each rule, by the rule's name: a resumed run must find them unchanged."""
    return {str(rule): sha256(_source(rule)).hexdigest() for rule in rules}


def _source(rule: Rule) -> bytes:
    """The rule's file, what it names of other rules' files, and what every rule rests on."""
    own = type(rule).__module__
    named = {str(getattr(value, "__module__", "")) for value in vars(sys.modules[own]).values()}
    modules = {name for name in named if name.startswith(f"{built_in.__name__}.")}
    file = file_of(type(rule))
    if file is None:
        modules.add(own)
    files = {Path(inspect.getfile(sys.modules[name])) for name in modules}
    shared = [Path(__file__).with_name(name) for name in ("lanes.py", "rule.py")]
    return (file.source if file else b"") + b"".join(p.read_bytes() for p in [*sorted(files), *shared])


@dataclass(frozen=True)
class RuleCopy:
    """Of a rule in a user's file. spec: of the copy, from the run's folder; original: of the file itself."""

    spec: str
    original: str
    file: RuleFile

    def to_json(self) -> dict[str, str]:
        """As genotype.json and manifest.json name it."""
        return {"file": self.spec, "sha256": self.file.digest}


def rule_copies(rules: Iterable[Rule]) -> dict[str, RuleCopy]:
    """{name: copy} of those rules that come from files."""
    found = {}
    for kind in dict.fromkeys(type(rule) for rule in rules):
        file = file_of(kind)
        if file is not None:
            spec = f"{FOLDER}/{kind.name}.py:{kind.__name__}"
            found[kind.name] = RuleCopy(spec, f"{file.path}:{kind.__name__}", file)
    return found
