"""What a training of a candidate needs beside its specification, as JSON: a worker is told this once.

    {"config": the search's configuration, its rules by their names; "genotype": whose operations are fixed, or null;
     "rule_files": {"path.py:Class": its text}; "images": digest of the training images}

Any process on any machine that is told the same makes the same scores of the same specification.
"""

import json
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...data.dataset import Images
from ...engine.errors import DataError
from ...engine.registry import make_rule
from ...engine.rule import Rule
from ...engine.rule_files import split_file_spec
from ...engine.rule_source import rule_copies
from ..compatible import check_rules, chosen_candidates
from ..config import SearchConfig
from ..genotype import AnyGenotype, Genotype
from ..genotype201 import Genotype201
from .decisions import DartsDecisions, Decisions, Decisions201, RuleDecisions, WithParts
from .laboratory import Laboratory, training_images
from .untrained import laboratory_for


def space_of(config: SearchConfig, fixed: AnyGenotype | None) -> WithParts:
    """The decisions of a configuration. Raises UsageError for what the network cannot have."""
    classifier = (fixed.rules if fixed else named_roles(config)).get("classifier", "bp")
    check_rules([*used_rules(config, fixed), make_rule(classifier)])
    inner: Decisions
    if fixed is not None:
        inner, roles = RuleDecisions(fixed, config.space.rules), fixed.rules
    elif config.space.preset == "nasbench201":
        inner, roles = Decisions201(config.space.rules), named_roles(config)
    else:
        inner, roles = DartsDecisions(chosen_candidates(config), config.size.nodes), named_roles(config)
    return WithParts(inner, config.space.parts, config.space.rules, roles)


def named_roles(config: SearchConfig) -> dict[str, str]:
    return {role: str(make_rule(spec)) for role, spec in config.rules.model_dump().items()}


def used_rules(config: SearchConfig, fixed: AnyGenotype | None) -> list[Rule]:
    """All that a candidate may learn by."""
    specs = [*config.space.rules, *config.rules.model_dump().values()]
    specs += (
        [c.rule for c in chosen_candidates(config) if c.rule] if config.space.preset != "nasbench201" else []
    )
    return [*map(make_rule, dict.fromkeys(specs)), *(fixed.used_rules() if fixed else [])]


def setup_of(config: SearchConfig, fixed: AnyGenotype | None, images: Images) -> str:
    """The JSON text."""
    tree = config.model_dump(mode="json", exclude_none=True)
    tree["space"]["rules"] = [str(make_rule(spec)) for spec in config.space.rules]
    tree["rules"] = named_roles(config)
    tree.pop("genotype", None)  # a path: the genotype itself is beside it
    copies = rule_copies(used_rules(config, fixed)).values()
    return json.dumps(
        {
            "config": tree,
            "genotype": fixed.to_json() if fixed else None,
            "rule_files": {copy.original: copy.file.source.decode() for copy in copies},
            "images": images.digest(),
        }
    )


@lru_cache(maxsize=1)
def laboratory(setup: str) -> Laboratory:
    """In a worker: made when its first candidate comes. Raises DataError where its images are other ones."""
    told = json.loads(setup)
    for spec, text in told["rule_files"].items():
        _load_rule(spec, text)
    config = SearchConfig.model_validate(told["config"])
    images = training_images(config)
    if images.digest() != told["images"]:
        raise DataError(
            f"The worker's training images of {config.data.name} are not the coordinator's: SHA-256 "
            f"{images.digest()}, expected {told['images']}.",
            "Give every machine the same files.",
        )
    return laboratory_for(config, space_of(config, _genotype(told["genotype"])), images)


def _load_rule(spec: str, text: str) -> None:
    """A user's rule, from the text that the coordinator sent where its file is not here, or has changed."""
    path, kind, _ = split_file_spec(spec) or (Path(spec), "", "")
    if path.is_file() and path.read_bytes() == text.encode():
        make_rule(spec)
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        copy.write_bytes(text.encode())
        make_rule(f"{copy}:{kind}")


def _genotype(tree: dict[str, Any] | None) -> AnyGenotype | None:
    if tree is None:
        return None
    kind: type[AnyGenotype] = Genotype201 if tree["space"] == "nasbench201" else Genotype
    return kind.model_validate(tree)
