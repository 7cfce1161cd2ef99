"""`rules check`: each clause of the contract is broken by a rule on purpose; every built-in rule keeps them all."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.analysis import rule_check, rule_lanes, rule_trial
from bionas_cupy.analysis.finding import Finding, guarded
from bionas_cupy.analysis.rule_check import CONTRACT, contract, learning
from bionas_cupy.analysis.rule_meeting import KINDS, Meeting
from bionas_cupy.cli.main import main
from bionas_cupy.engine.errors import DivergedError
from bionas_cupy.engine.lanes import Lanes
from bionas_cupy.engine.registry import make_rule, registered
from bionas_cupy.layers.synapse import Synapse

RULE = '''"""Nobody (2026)."""

import numpy as np
from bionas_cupy import Rule


class Mine(Rule):
    """mine: B fixed and random."""

    name = "mine"
    bits = 0
    reads = ("x", "delta")
    count = 0

    def feedback_weights(self, W, state):
        return state.draw("B", W)

    def update(self, maps, s):
        return -maps.outer(s.delta, s.x)
'''
B, DW = 'return state.draw("B", W)', "return -maps.outer(s.delta, s.x)"


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def findings(*changes: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """{check: (status, text and cure)} of the rule with these replacements."""
    text = RULE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("mine.py").write_text(text, "utf-8")
    return {f.check: (f.status, f"{f.text} {f.cure}") for f in contract("mine.py")}


BACKWARD = [name for name in registered() if make_rule(name).procedure == "backward"]


@pytest.mark.parametrize("spec", [*BACKWARD, "qsf3", "usf(scale=1)", "power(p=0;q=1)"])
def test_every_rule_keeps_the_contract(spec: str) -> None:
    found = {each.check: each for each in contract(spec)}
    assert [each for each in found.values() if each.status != "pass"] == []
    assert found.keys() >= CONTRACT.keys() - {"own way", "spelling"}


def test_the_rule_to_be_broken_keeps_it() -> None:
    assert {status for status, _ in findings().values()} == {"pass"}


@pytest.mark.parametrize(
    ("old", "new", "check", "status", "said"),
    [
        (B, 'return state.draw("B", W)[:1]', "shapes", "fail", "gives (1, 12) on linear, expected (6, 12)"),
        (DW, "return -maps.outer(s.delta, s.x)[0]", "shapes", "fail", "gives (12,) on linear, expected (6, 12)"),
        (DW, "return 0.0", "shapes", "fail", "`update` gives float on linear, expected an array (6, 12)"),
        (DW, "return None", "shapes", "fail", "gives NoneType"),
        (DW, "return -maps.outer(s.detla, s.x)", "shapes", "fail", 'rule file "mine.py", line 19: AttributeError'),
        (DW, "return -np.einsum('no,ni->oi', s.delta, s.x)", "shapes", "fail", "line 19: ValueError"),
        (B, "return None", "shapes", "fail", "sends no error down"),
        (DW, "return -maps.outer(s.delta, s.x) + 0 / np.zeros(1)", "finite", "fail", "gives NaN or infinity"),
        (DW, "return -maps.outer(s.delta / np.linalg.norm(s.delta), s.x)", "finite", "warn", "delta is all zero"),
        (DW, "s.delta[...] *= 2; return -maps.outer(s.delta, s.x)", "in place", "fail", "changes delta in place"),
        (B, "W *= 0.5; return W", "in place", "fail", "`feedback_weights` changes W in place on linear"),
        (DW, "return -maps.outer(s.y, s.x)", "shapes", "fail", 'reads "y"'),
        (('reads = ("x", "delta")', 'reads = ("x", "delta", "top")'), None, "reads", "warn", "never reads top"),
        (DW, "return maps.outer(np.random.standard_normal(s.delta.shape), s.x)", "deterministic", "fail", "`update`"),
        (DW, "self.count += 1; return self.count * maps.outer(s.delta, s.x)", "deterministic", "fail", "keep nothing"),
        (
            B,
            "self.count = max(self.count, state.update); return state.draw('B', W) * (1 + state.update - self.count)"
            " if state.update < 3 else state.draw('B', W) * (W.size + getattr(self, 'seen', 0)) \n"
            "    def below(self, maps, s):\n        self.seen = 1; return super().below(maps, s)",
            "resume",
            "fail",
            "depends on what the rule saw before",
        ),
        (DW, "return -maps.outer(s.delta, s.x).astype(np.float64)", "float32", "warn", "gives float64"),
        (DW, "a = maps.outer(s.delta, s.x); return (a + 1e5) - 1e5", "float32", "fail", "from float64, expected"),
        (B, "return np.sign(W)", "transport", "fail", "follows signs of W; bits = 0, expected 1 or more"),
        (B, "return abs(W)", "transport", "fail", "follows magnitudes of W; bits = 0, expected more than 1"),
        (("bits = 0", "bits = 1"), None, "transport", "warn", "nothing of W is sent"),
        (B, "return W", "own way", "warn", "this is back-propagation"),
        ("def update", "def updates", "spelling", "warn", "`updates` is never called. Did you mean `update`?"),
    ],
)  # fmt: skip
def test_each_clause_is_looked_at(
    old: str | tuple[str, str], new: str | None, check: str, status: str, said: str
) -> None:
    change = old if isinstance(old, tuple) else (old, new)
    found = findings(change)  # type: ignore[arg-type]
    assert found[check][0] == status, found
    assert said in found[check][1]
    if check == "shapes":
        assert list(found) == ["shapes"]  # the others would stumble over the same


@pytest.mark.parametrize("spec", ["pc", "pepita", "ff"])
def test_a_whole_network_is_looked_at_as_it_learns(spec: str) -> None:
    (found,) = contract(spec)
    assert (found.check, found.status) == ("contract", "skip")
    assert f"{make_rule(spec).procedure} runs a whole network" in found.text


def test_constraints_are_no_part_of_what_is_asked() -> None:
    """Not even homeostasis, which no convolution can have."""
    assert {each.status for each in contract("usf+homeostasis+nonneg")} == {"pass"}


def test_speed_where_a_constraint_needs_a_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowness(spec: str, model: str) -> float:
        rule_trial.training(model, {"*": spec})  # which a lenet refuses
        return 1.2

    monkeypatch.setattr(rule_check, "slowness", slowness)
    (found,) = rule_check.speed("usf+homeostasis")
    assert found.text == "a step takes 1.20 times bp's on mlp"
    (found,) = rule_check.speed("usf+nonneg")
    assert "on lenet" in found.text


def test_a_signal_that_is_used_in_a_branch_only() -> None:
    found = findings((DW, "return -maps.outer(s.y if s.x.ndim == 9 else s.delta, s.x)"))
    assert found["reads"] == ("pass", "x, delta: declared, and really read ")


def rolled(of: Any) -> Any:
    """The function, its array answer moved on by a lane."""
    return lambda *given: np.roll(of(*given), 1, 0)


def test_the_lanes_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no file can break: another lane's weights would show, whether a rule descends or has its own update."""
    descending, local = (lambda: make_rule("usf")), (lambda: make_rule("hebbian"))
    assert not rule_lanes.differs_in_lanes(descending, KINDS["depthwise"])
    assert not rule_lanes.differs_in_lanes(local, KINDS["depthwise"])
    descend = Synapse.descend
    monkeypatch.setattr(Synapse, "descend", lambda self, outer: descend(self, np.roll(outer, 1, 0)))
    monkeypatch.setattr(Lanes, "update", rolled(Lanes.update))
    assert rule_lanes.differs_in_lanes(descending, KINDS["depthwise"])
    assert rule_lanes.differs_in_lanes(local, KINDS["depthwise"])


def test_float64_and_float32_meet_the_same_numbers() -> None:
    one, other = (Meeting(make_rule("bp"), KINDS["grouped"], dtype) for dtype in (np.float32, np.float64))
    assert np.array_equal(one.W, other.W)
    assert np.array_equal(one.signals.x, other.signals.x)


def test_angles() -> None:
    u = np.array([1.0, 0.0])
    for degrees in (0.0, 30.0, 90.0, 180.0):
        v = 3 * np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
        assert rule_trial.angle(u, v) == pytest.approx(degrees, abs=1e-9)
    assert math.isnan(rule_trial.angle(u, 0 * u))


def test_a_trial_beside_bp_and_beside_no_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """After two epochs bp is ahead of a frozen body, whose weights rest; its angle to itself is 0."""
    monkeypatch.setattr(rule_trial, "HIDDEN", [32])
    bp, none = (rule_trial.trial({"*": "bp"}, frozen, epochs=2) for frozen in (False, True))
    assert bp.accuracy > none.accuracy + 2
    assert max(bp.before.values()) < 1e-4
    assert none.after.keys() == {"classifier"}
    job = rule_trial.training("mlp", {"*": "bp"}, frozen=True)
    before = job.model.synapses[0].W.value.copy()
    job.step(0, 0)
    assert np.array_equal(job.model.synapses[0].W.value, before)


def test_uphill_and_useless_rules_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_trial, "EPOCHS", 1)
    monkeypatch.setattr(rule_trial.trial, "__defaults__", (False, 1))
    Path("mine.py").write_text(RULE.replace(B, "return -W").replace("bits = 0", "bits = 32"))
    angle, accuracy = learning("mine.py")
    assert (angle.status, accuracy.status) == ("warn", "warn")
    assert "a step goes uphill, as in hidden1" in angle.cure


def test_a_diverging_trial_is_a_warning() -> None:
    def look() -> Iterator[Finding]:
        raise DivergedError("The run diverged.", "Start again with a lower rate.")
        yield

    assert guarded("learning", look) == [
        Finding("learning", "warn", "The run diverged. Start again with a lower rate.")
    ]


def test_steps_are_timed_in_turn() -> None:
    """The clock gives each rule step 3 units and each step of bp 2; the first of each does not count."""
    durations = iter([100.0, 100.0] + [3.0, 2.0] * rule_trial.ROUNDS)
    now, running = [0.0], [False]

    def clock() -> float:
        now[0] += next(durations) if running[0] else 0.0
        running[0] = not running[0]
        return now[0]

    assert rule_trial.slowness("usf", "mlp", clock) == pytest.approx(1.5)


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        rule_check, "slowness", lambda spec, model: 1.0
    )  # a test does not depend on the clock
    assert main(["rules", "new", "my_rule.py"]) == 0
    assert main(["rules", "check", "my_rule.py"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("The contract holds.\n")
    assert "warn" not in out
    Path("mine.py").write_text(RULE.replace(DW, "return 0.0"))
    assert main(["rules", "check", "mine.py", "--json"]) == 2
    out, err = capsys.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    assert [(f["check"], f["status"]) for f in found] == [("shapes", "fail"), ("learning", "skip")]
    assert 'rule "mine.py" breaks its contract: shapes.' in err
