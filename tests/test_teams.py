"""Candidates in two teams, and large maps that are made again: in the same bits as otherwise."""

import threading
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.kernels import threads
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.rule import Rule, State
from bionas_cupy.engine.rules.backprop import BackPropagation
from bionas_cupy.engine.step import Step
from bionas_cupy.layers import halves, teams
from bionas_cupy.layers import mixed as mixed_edge
from bionas_cupy.layers.mixed import MixedEdge, OperationLanes
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from bionas_cupy.layers.source import Readings, Source

Array = Any
NAMES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3")


class Watched(BackPropagation):
    """A rule of somebody else, who notes which threads ask it."""

    name = "watched"

    def __init__(self) -> None:
        self.asked_by: set[int] = set()

    def feedback_weights(self, W: Array, state: State) -> Array:
        self.asked_by.add(threading.get_ident())
        return W


@pytest.fixture(autouse=True)
def _threads_as_before() -> Any:
    yield
    threads.set_threads(None)


def found_by(rules: list[Rule], stride: int = 1) -> dict[str, Array]:
    """Node, ∂L/∂q, the errors below and every gradient of a pass in float32."""
    one = make_rule("bp")
    mixed = MixedEdge(8, stride, [OperationLanes(n, rules if "conv" in n else [one]) for n in NAMES])
    source = Source(mixed.operations, 8, stride)
    Model(mixed, Normalise([0.0], [1.0]), Key(3), np.float32)
    random = np.random.default_rng(5)
    x = random.standard_normal((5, 1, 8, 16, 16), np.float32)
    node = np.zeros((5, 1, 8, 16 // stride, 16 // stride), np.float32)
    step, q = Step(Key(1)), random.random(mixed.lanes, np.float32)
    mixed.add_to(node, source.read(x, step), q, step)
    errors = source.no_errors(x.copy())
    dq = mixed.backward_to(random.standard_normal(node.shape, np.float32), errors, step)
    grads = {p.name: p.grad.copy() for _, layer in mixed.walk() for _, p in layer.parameters()}
    (pooled,) = errors.pooled["max_pool_3x3"]
    arrived = {"first": errors.beside, "second": errors.rectified, **pooled._asdict()}
    return {"node": node, "dq": dq, "below": source.collect(errors, step)} | arrived | grads


def assert_same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    for name, array in expected.items():
        assert array.any(), name
        assert np.array_equal(found[name], array), name


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rules", [["usf", "fa", "brsf"], ["oja", "bp"]])
def test_side_by_side_gives_the_same_bits(
    stride: int, rules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [make_rule(rule) for rule in rules]
    expected = found_by(made, stride)
    monkeypatch.setattr(teams, "LARGE", 0)
    for count in (1, 2, 3):
        threads.set_threads(count)
        assert_same(found_by(made, stride), expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_map_that_is_made_again_has_the_same_bits(stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [make_rule("usf"), make_rule("fa")]
    expected = found_by(rules, stride)
    monkeypatch.setattr(halves, "LARGE", 0)
    assert_same(found_by(rules, stride), expected)


@pytest.mark.parametrize(("rules", "remade"), [(["usf", "fa"], True), (["usf"], False)])
def test_a_supernet_keeps_no_large_map_of_several_lanes_between_halves(
    rules: list[str], remade: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halves, "LARGE", 0)
    mixed = MixedEdge(8, 1, [OperationLanes("sep_conv_3x3", [make_rule(rule) for rule in rules])])
    Model(mixed, Normalise([0.0], [1.0]), Key(3), np.float32)
    step, x = Step(Key(1)), np.ones((2, 1, 8, 16, 16), np.float32)
    mixed.add_to(np.zeros_like(x), Readings(x, x, {}), np.ones(len(rules), np.float32), step)
    (kept,) = step.tape[mixed.bodies["sep_conv_3x3"]]
    assert [half.x is None for half in kept] == [False, remade]


def test_two_threads_take_a_team_each_but_a_users_rule_is_asked_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(teams, "LARGE", 0)
    threads.set_threads(2)
    asked: list[int] = []
    two, sending = threading.Event(), mixed_edge.forward_moments

    def forward(*given: Any) -> Any:
        asked.append(threading.get_ident())
        if len(set(asked)) == 2:
            two.set()
        two.wait(10)  # else the first team may have ended before the second's thread wakes, and do both
        return sending(*given)

    monkeypatch.setattr(mixed_edge, "forward_moments", forward)
    found_by([make_rule("usf")])
    assert len(set(asked)) == 2
    asked.clear()
    mine = Watched()
    found_by([mine])
    assert mine.asked_by == set(asked) == {threading.get_ident()}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_both_runs_both_and_raises_what_either_raised(count: int) -> None:
    threads.set_threads(count)
    done: list[str] = []

    def fail() -> None:
        raise ValueError("lost")

    threads.both(lambda: done.append("a"), lambda: done.append("b"))
    assert sorted(done) == ["a", "b"]
    for tasks in ((fail, lambda: done.append("c")), (lambda: done.append("c"), fail)):
        with pytest.raises(ValueError, match="lost"):
            threads.both(*tasks)


def test_kernels_within_two_tasks_have_half_of_the_threads_each() -> None:
    threads.set_threads(4)
    used: list[set[int]] = [set(), set()]
    gate = threading.Barrier(4, timeout=30)  # passed only if all four threads work at once

    def task(which: int) -> None:
        def chunk(first: int, last: int, index: int) -> None:
            used[which].add(threading.get_ident())
            gate.wait()

        threads.run(chunk, [(0, 1), (1, 2)])

    threads.both(lambda: task(0), lambda: task(1))
    assert [len(ids) for ids in used] == [2, 2]
    assert not used[0] & used[1]
    assert threads._threads() == 4  # as before


@pytest.mark.parametrize("fails", [False, True])
def test_a_thread_whose_task_has_ended_takes_chunks_of_the_kernel_in_which_the_other_is(fails: bool) -> None:
    threads.set_threads(2)
    begun, gate = threading.Event(), threading.Barrier(2, timeout=30)
    used: dict[int, int] = {}

    def chunk(first: int, last: int, index: int) -> None:
        used[index] = threading.get_ident()
        begun.set()
        gate.wait()  # passed only if both threads work at once
        if fails and used[index] != alone:
            raise ValueError("lost")

    def work() -> None:
        nonlocal alone
        alone = threading.get_ident()
        threads.run(chunk, [(i, i + 1) for i in range(2 if fails else 4)])

    alone = 0
    with pytest.raises(ValueError, match="lost") if fails else nullcontext():
        threads.both(lambda: begun.wait(30), work)
    assert len(set(used.values())) == 2
    assert len(used) == (2 if fails else 4)
