"""One step of the supernet in which cells compete, its weights' gradients and its rules, against PyTorch."""

from collections.abc import Sequence

import numpy as np
import pytest
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.layers.contest import Contest
from bionas_cupy.layers.roles import ROLES, Roles
from compare import CLASSES, EXACT, RULES, Case, images
from one_step import ours
from test_genotype_network import NORMAL, REDUCE, genotype, weighted
from torch_darts import Cell, chosen_edges
from torch_maps import Conv, Linear
from torch_models import chain, norm
from torch_rules import Rules, Tensor, torch
from torch_synapse import Synapse

pytestmark = pytest.mark.oracle

CONTESTANTS = ({False: NORMAL, True: REDUCE}, {False: REDUCE, True: NORMAL}, {False: REDUCE, True: REDUCE})
CONCAT, CHANNELS, CELLS = (2, 3, 4, 5), 2, 3


class Place(torch.nn.Module):
    """The contestants' cells at one place, each normalised, weighed by q (1, contestants)."""

    def __init__(
        self, inputs: tuple[int, int], C: int, rule: str, roles: dict[str, Rules], **form: bool
    ) -> None:
        super().__init__()
        for m, cells in enumerate(CONTESTANTS):
            edges = chosen_edges(
                [(*e, rule if weighted(e[2]) else roles["reduce"]) for e in cells[form["reduction"]]]
            )
            self.add_module(f"cell{m}", Cell(inputs, C, edges, CONCAT, roles, affine=True, **form))
            self.add_module(f"norm{m}", norm(C * len(CONCAT), affine=False))

    def forward(self, before: Tensor, last: Tensor, q: Tensor) -> Tensor:
        return sum(self.part(m, before, last, weight) for m, weight in enumerate(q[0]))

    def part(self, m: int, before: Tensor, last: Tensor, weight: Tensor) -> Tensor:
        cell = self.get_submodule(f"cell{m}")
        y = self.get_submodule(f"norm{m}")(cell(before, last, last.new_ones(len(cell.edges), 1)))
        for synapse in (s for s in cell.modules() if isinstance(s, Synapse)):
            synapse.share = weight.detach()  # e reaches a contestant weighted, like δ
        return weight * y


class TorchContest(torch.nn.Module):
    def __init__(self, rule: str, roles: dict[str, Rules]) -> None:
        super().__init__()
        C, before = CHANNELS, 3 * CHANNELS
        last, halve = before, False
        self.stem = chain(conv=Conv(3, before, 3, roles["stem"]), norm=norm(before))
        self.kinds = [i in (CELLS // 3, 2 * CELLS // 3) for i in range(CELLS)]
        for i, kind in enumerate(self.kinds):
            C = 2 * C if kind else C
            self.add_module(f"cell{i}", Place((before, last), C, rule, roles, reduction=kind, halve=halve))
            before, last, halve = last, C * len(CONCAT), kind
        self.classifier = Linear(last, CLASSES, roles["classifier"])

    def forward(self, x: Tensor, q: Sequence[Tensor]) -> list[Tensor]:
        before = last = self.stem(x)
        for i, kind in enumerate(self.kinds):
            before, last = last, self.get_submodule(f"cell{i}")(before, last, q[kind])
        return [self.classifier(last.mean((2, 3)))]


def case(rule: str) -> Case:
    roles = dict.fromkeys(ROLES, rule)
    made = Roles(**{role: make_rule(rule) for role in ROLES})
    cells = [tuple(genotype(rule, c[kind], CONCAT) for kind in (False, True)) for c in CONTESTANTS]
    return Case(
        lambda: Contest(3, CLASSES, cells, channels=CHANNELS, cells=CELLS, roles=made),
        lambda: TorchContest(rule, roles),
    )


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_float64(rule: str, exact: bool) -> None:
    """To 1e-9. A shift before the last norm changes nothing: there, the gradient of β is rounding, here and there."""
    form, q = case(rule), np.array([[0.2, 0.5, 0.3]])
    model, batch = (
        form.model(np.float64),
        images(1, 4, (12, 12), q=(q, q[:, ::-1].copy()), update=3, exact=exact),
    )
    reference, found = form.answer(model, batch), ours(model, batch)
    assert found.keys() == reference.keys()
    sizes = {name: float(np.linalg.norm(x)) for name, x in reference.items()}
    usual = np.median([size for name, size in sizes.items() if name.startswith("grad")])
    apart = {
        name: float(np.linalg.norm(found[name] - reference[name].reshape(found[name].shape)))
        for name in found
    }
    assert [n for n, error in apart.items() if not error <= EXACT * max(sizes[n], usual)] == []
    assert all(sizes[f"dq {kind} edge0"] > usual / 100 for kind in (0, 1))
