"""genotype.json: what a search found, and what `train`, `inspect` and every other command take."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..engine.errors import UsageError, did_you_mean
from ..engine.registry import make_rule
from ..layers.auxiliary import AuxiliaryHead
from ..layers.candidates import OPERATIONS
from ..layers.chosen import Edge
from ..layers.network import CellGenotype, GenotypeNetwork
from ..layers.roles import ROLES
from .complaints import complaints
from .genotype201 import Genotype201
from .genotype_file import GenotypeFile
from .image_shape import ImageShape
from .rule_copies import load_rule_files


class GenotypeEdge(BaseModel):
    """Into `node` from an earlier one (`from`; 0 and 1 are the two cells before); rule null: no weights."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    node: int = Field(ge=2)
    source: int = Field(ge=0, validation_alias="from", serialization_alias="from")
    op: str
    rule: str | None = None

    @model_validator(mode="after")
    def _known(self) -> "GenotypeEdge":
        if self.op not in OPERATIONS or self.op == "none":
            choices = [name for name in OPERATIONS if name != "none"]
            raise ValueError(f'operation "{self.op}" is unknown. {did_you_mean(self.op, choices)}')
        if self.source >= self.node:
            raise ValueError(
                f"an edge into node {self.node} comes from {self.source}, expected an earlier node"
            )
        if OPERATIONS[self.op].weighted and self.rule is None:
            raise ValueError(f'operation "{self.op}" has weights, so it needs a rule')
        if self.rule is not None and self.op.endswith("pool_3x3"):
            raise ValueError(f'operation "{self.op}" has no weights, so its rule is null')
        if self.rule is not None:
            try:
                make_rule(self.rule)
            except UsageError as error:
                raise ValueError(str(error)) from None
        return self


class Genotype(GenotypeFile):
    """The searched cells of DARTS' space, the rules of the fixed parts, and where it comes from."""

    parts: ClassVar[Sequence[str]] = ROLES
    space: Literal["darts"] = "darts"
    normal: list[GenotypeEdge] = Field(min_length=1)
    reduce: list[GenotypeEdge] = Field(min_length=1)
    concat: list[int] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> "Genotype":
        try:
            self.check_parts(self.rules)
        except UsageError as error:
            raise ValueError(str(error)) from None
        if len(set(self.concat)) < len(self.concat) or min(self.concat) < 2:
            raise ValueError(f"concat is {self.concat}, expected different nodes from 2 on")
        for kind in ("normal", "reduce"):
            reached = {0, 1}
            pairs = [(edge.node, edge.source) for edge in getattr(self, kind)]
            twice = [pair for pair in pairs if pairs.count(pair) > 1]
            if twice:
                raise ValueError(f"{kind}: two edges lead from {twice[0][1]} into node {twice[0][0]}")
            for edge in getattr(self, kind):
                if edge.source not in reached:
                    raise ValueError(f"{kind}: node {edge.source} is read before any edge leads into it")
                reached.add(edge.node)
            missing = [node for node in self.concat if node not in reached]
            if missing:
                raise ValueError(f"{kind}: concat names node {missing[0]}, into which no edge leads")
        return self

    def cells(self) -> tuple[CellGenotype, CellGenotype]:
        """The normal and the reduction cell as GenotypeNetwork takes them."""
        return self._cell(self.normal), self._cell(self.reduce)

    def searched_rules(self) -> list[str]:
        return [edge.rule for edge in [*self.normal, *self.reduce] if edge.rule]

    def with_rule(self, rule: str) -> "Genotype":
        """The same cells, every searched edge that has a rule learning by this one (a skip has none: at stride 2
        it learns by the network's `reduce` rule).
        """
        name = str(make_rule(rule))

        def changed(edges: Sequence[GenotypeEdge]) -> list[GenotypeEdge]:
            return [e.model_copy(update={"rule": name if e.rule else None}) for e in edges]

        return self.model_copy(update={"normal": changed(self.normal), "reduce": changed(self.reduce)})

    def network(
        self, shape: ImageShape, channels: int, cells: int | None, auxiliary: bool = False
    ) -> GenotypeNetwork:
        """The network of this size; cells None: 8. Raises UsageError where the auxiliary head does not fit."""
        if auxiliary and (shape.height, shape.width) != (AuxiliaryHead.IMAGE, AuxiliaryHead.IMAGE):
            raise UsageError(
                f"the auxiliary head needs images of {AuxiliaryHead.IMAGE} x {AuxiliaryHead.IMAGE}, "
                f"these are {shape.height} x {shape.width}.",
                "Leave out --set auxiliary.",
            )
        return GenotypeNetwork(
            shape.channels,
            shape.classes,
            *self.cells(),
            channels=channels,
            cells=8 if cells is None else cells,
            auxiliary=auxiliary,
            roles=self.roles(),
        )

    def _cell(self, edges: Sequence[GenotypeEdge]) -> CellGenotype:
        ordered = sorted(edges, key=lambda e: e.node)  # a node is complete before it is read
        chosen = [Edge(e.node, e.source, e.op, make_rule(e.rule) if e.rule else None) for e in ordered]
        return CellGenotype(chosen, self.concat)


AnyGenotype = Genotype | Genotype201


def read_genotype(path: str | Path) -> AnyGenotype:
    """A genotype file, or the one in a run folder. Raises UsageError with every complaint at once."""
    path = Path(path)
    path = path / "genotype.json" if path.is_dir() else path
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f'genotype "{path}" cannot be read: {getattr(error, "strerror", None) or error}.',
            "`bionas-cupy search` writes one.",
        ) from None
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f'genotype "{path}" is not JSON: {error}.') from None
    if not isinstance(tree, dict):
        raise UsageError(f'genotype "{path}": expected a JSON object.', "`bionas-cupy search` writes one.")
    return valid_genotype(tree, f'genotype "{path}"', path.parent)


def valid_genotype(tree: Any, name: str, folder: Path) -> AnyGenotype:
    """The genotype of a JSON object, its rule files taken from `folder`. Raises UsageError with every complaint."""
    load_rule_files(tree, name, folder)
    of_cells = isinstance(tree, dict) and tree.get("space") == "nasbench201"
    kind: type[AnyGenotype] = Genotype201 if of_cells else Genotype
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise UsageError(f"{name}: {complaints(error)}") from None
