"""The networks of DARTS in PyTorch, written from the paper: one module a candidate, no lanes.

Modules are named as the layers they stand for; a candidate of an edge is "OPERATION_laneR".
"""

from collections.abc import Callable, Mapping, Sequence

from torch_candidates import Roles, auxiliary_head, candidate, preprocess
from torch_maps import Conv, Linear
from torch_models import chain, nn, norm
from torch_rules import Rules, Tensor, torch
from torch_synapse import Synapse

F = torch.nn.functional

Edges = list[tuple[int, int, dict[str, tuple[str, Rules]]]]  # (node, source, {candidate: (operation, rules)})


class Cell(torch.nn.Module):
    """Two inputs, nodes that sum the candidates of their edges, the concatenation of some nodes."""

    def __init__(
        self,
        inputs: tuple[int, int],
        C: int,
        edges: Edges,
        concat: Sequence[int],
        roles: Roles,
        *,
        reduction: bool,
        halve: bool,
        affine: bool,
        partial: int = 1,
    ) -> None:
        super().__init__()
        self.reduction, self.concat, self.edges, self.partial = reduction, concat, edges, partial
        self.preprocess0 = preprocess(inputs[0], C, halve, roles, affine)
        self.preprocess1 = preprocess(inputs[1], C, False, roles, affine)
        for e, (_, source, lanes) in enumerate(edges):
            stride = 2 if reduction and source < 2 else 1
            edge = nn.ModuleDict()
            for lane, (name, rules) in lanes.items():
                edge[lane] = candidate(name, C // partial, stride, rules, affine)
            self.add_module(f"edge{e}", edge)

    def forward(self, before: Tensor, last: Tensor, q: Tensor) -> Tensor:
        """q (edges, candidates)."""
        nodes = {0: self.preprocess0(before), 1: self.preprocess1(last)}
        for e, (node, source, lanes) in enumerate(self.edges):
            width = nodes[source].shape[1] // self.partial
            mixed, rest = nodes[source].split([width, nodes[source].shape[1] - width], 1)
            y = sum(self.part(f"edge{e}.{name}", mixed, w) for w, name in zip(q[e], lanes, strict=False))
            if self.partial > 1:
                rest = F.max_pool2d(rest, 2, 2, ceil_mode=True) if self.reduction and source < 2 else rest
                y = shuffle(torch.cat([y, q[e][len(lanes)] * rest], 1), self.partial)
            nodes[node] = nodes[node] + y if node in nodes else y
        return torch.cat([nodes[i] for i in self.concat], 1)

    def part(self, name: str, x: Tensor, w: Tensor) -> Tensor:
        """A candidate's part of the sum."""
        part = self.get_submodule(name)
        for synapse in (m for m in part.modules() if isinstance(m, Synapse)):
            synapse.share = w.detach()  # a candidate's errors reach it weighted, e like δ
        return w * part(x)


def shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels (groups, C/groups) to (C/groups, groups), as PC-DARTS does on every edge."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


def search_edges(operations: Callable[[int], Sequence[tuple[str, Sequence[Rules]]]], nodes: int) -> Edges:
    """operations(e): the candidates of edge e, each operation with the rules of its lanes."""
    edges: Edges = []
    for i in range(2, nodes + 2):
        for j in range(i):
            lanes = {}
            for name, rules in operations(len(edges)):
                lanes |= {f"{name}_lane{r}": (name, rule) for r, rule in enumerate(rules)}
            edges.append((i, j, lanes))
    return edges


def chosen_edges(genotype: Sequence[tuple[int, int, str, Rules]]) -> Edges:
    return [(node, source, {f"{name}_lane0": (name, rule)}) for node, source, name, rule in genotype]


class Darts(torch.nn.Module):
    """Stem, cells with reductions at one third and two thirds, classifier; a second head where asked for."""

    def __init__(
        self,
        image_channels: int,
        classes: int,
        C: int,
        cells: int,
        edges: Mapping[bool, Edges],
        concat: Mapping[bool, Sequence[int]],
        roles: Roles,
        *,
        affine: bool,
        auxiliary: bool = False,
        partial: int = 1,
    ) -> None:
        """edges and concat of normal (False) and of reduction cells (True)."""
        super().__init__()
        self.stem = chain(conv=Conv(image_channels, 3 * C, 3, roles["stem"]), norm=norm(3 * C))
        before = last = 3 * C
        halve, self.cells, self.auxiliary_after = False, cells, 2 * cells // 3
        for i in range(cells):
            kind = i in (cells // 3, 2 * cells // 3)
            C = 2 * C if kind else C
            form = {"reduction": kind, "halve": halve, "affine": affine, "partial": partial}
            self.add_module(f"cell{i}", Cell((before, last), C, edges[kind], concat[kind], roles, **form))
            before, last, halve = last, C * len(concat[kind]), kind
            if auxiliary and i == self.auxiliary_after:
                self.auxiliary = auxiliary_head(last, classes, roles["auxiliary"])
        self.classifier = Linear(last, classes, roles["classifier"])

    def forward(self, x: Tensor, q: Sequence[Tensor] | None = None) -> list[Tensor]:
        """The logits, and in training those of the auxiliary head. q: of normal and of reduction cells."""
        before = last = self.stem(x)
        heads = []
        for i in range(self.cells):
            cell = self.get_submodule(f"cell{i}")
            ones = x.new_ones(len(cell.edges), 1)
            before, last = last, cell(before, last, ones if q is None else q[cell.reduction])
            if self.training and hasattr(self, "auxiliary") and i == self.auxiliary_after:
                heads.append(self.auxiliary(last))
        return [self.classifier(last.mean((2, 3))), *heads]
