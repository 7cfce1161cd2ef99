"""Faults planted from outside, by a user's rule file in one layer: `inspect` marks it by name, in plain words."""

import json
from collections.abc import Callable

import pytest
from bionas_cupy.analysis import flags
from bionas_cupy.cli.main import main
from bionas_cupy.layers.synapse import Synapse

Flags = dict[str, list[str]]

FAULTS = '''"""Rules that are not what they say."""

import numpy as np
from bionas_cupy import Rule


class Sound(Rule):
    """sound: B = s·sign(W), with nothing wrong."""

    name = "sound"
    bits = 1.0

    def feedback_weights(self, W, state):
        return state.s * np.sign(W)


class Detour(Sound):
    """detour: its B are signs, and the error goes past them."""

    name = "detour"

    def below(self, maps, s):
        return maps.pull(s.delta, s.W)


class Climbs(Sound):
    """climbs: ΔW = +δ ⊗ x."""

    name = "climbs"

    def update(self, maps, s):
        return maps.outer(s.delta, s.x)


class Fickle(Sound):
    """fickle: ΔW = +δ ⊗ x at every other update."""

    name = "fickle"

    def update(self, maps, s):
        return maps.outer(s.delta, s.x) * (-1) ** (s.state.update + 1)
'''
WRONG_FEEDBACK = '''

class {kind}(Sound):
    """{name}: {says}."""

    name = "{name}"

    def feedback_weights(self, W, state):
        return {B}
'''
WRONG = [
    ("Silent", "says that it sends signs, sends W itself", "W"),
    ("Transposed", "B = s·sign(Wᵀ)", "state.s * np.sign(W.swapaxes(0, 1)).reshape(W.shape)"),
    ("Flipped", "B = -s·sign(W)", "-state.s * np.sign(W)"),
    ("Mute", "B = 0", "0 * W"),
]
for kind, says, B in WRONG:
    FAULTS += WRONG_FEEDBACK.format(kind=kind, name=kind.lower(), says=says, B=B)
BELOW = {"conv1": ["conv0"], "linear": ["conv0", "conv1"], "classifier": ["conv0", "conv1", "linear"]}
LONGER = {"batch": 96, "steps": 8}
WHERE = pytest.mark.parametrize("where", BELOW)


@pytest.fixture
def told(tmp_path, monkeypatch, capsys) -> Callable[..., Flags]:
    """told(layer=rule): the flags of each layer of a LeNet of uSF in which these layers have other rules.

    After two steps of 32 images; LONGER is enough to call an angle near 90° odd.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faults.py").write_text(FAULTS, "utf-8")

    def told(batch: int = 32, steps: int = 2, **rules: str) -> Flags:
        lines = [f'"{layer}" = "{rule}"\n' for layer, rule in {"*": "usf", **rules}.items()]
        (tmp_path / "rules.toml").write_text("".join(lines), "utf-8")
        few = ["--subset", "96", "--batch", str(batch), "--steps", str(steps), "-q", "--json"]
        assert main(["inspect", "lenet", "--rules-per-layer", "rules.toml", *few]) == 0
        return {
            each["layer"]: each["flags"] for each in map(json.loads, capsys.readouterr().out.splitlines())
        }

    return told


def marked(found: Flags, words: str) -> list[str]:
    return [layer for layer, texts in found.items() if any(words in text for text in texts)]


@WHERE
def test_a_sound_rule_is_not_marked(told, where):
    assert not any(told(**{where: "faults.py:Sound"}).values())


@WHERE
@pytest.mark.parametrize("kind", ["Silent", "Detour"])
def test_a_rule_that_silently_is_bp(told, where, kind):
    found = told(**{where: f"faults.py:{kind}"})
    assert found.pop(where) == [
        f'rule "{kind.lower()}" sends what bp sends (angle 0.0000°): it is bp in fact'
    ]
    assert not any(found.values())


@WHERE
def test_a_feedback_that_is_transposed(told, where):
    found = told(**{where: "faults.py:Transposed"})
    assert marked(found, "B is W transposed or turned: 30° from that, 9") == [where]
    found = told(**LONGER, **{where: "faults.py:Transposed"})
    assert marked(found, "B is W transposed or turned: ") == [where]
    assert [layer for layer, texts in found.items() if texts] == [*BELOW[where], where]  # what it does below


@WHERE
def test_a_sign_flipped_in_one_layer(told, where):
    found = told(**{where: "faults.py:Flipped"})
    assert marked(found, "the error is sent with the wrong sign (angle 150° to Wᵀδ)") == [where]
    assert marked(found, "this layer learns against its loss") == BELOW[where]


@WHERE
def test_an_update_of_the_wrong_sign(told, where):
    found = told(**{where: "faults.py:Climbs"})
    assert marked(found, "this layer learns against its loss") == [where]
    assert [layer for layer, texts in found.items() if texts] == [where]


@WHERE
def test_an_update_of_the_wrong_sign_at_every_other_step(told, where):
    found = told(**{where: "faults.py:Fickle"})
    assert found.pop(where) == ["in 1 of 2 steps ΔW is turned over: it climbs the error that it was told"]
    assert not any(found.values())


@WHERE
def test_a_layer_that_sends_no_error_and_those_that_get_none(told, where):
    found = told(**{where: "faults.py:Mute"})
    assert marked(found, "none is sent on: everything below is cut off from the loss") == [where]
    assert marked(found, "no error arrives: this layer cannot learn from the loss") == BELOW[where]


def test_a_local_rule_that_sends_nothing_is_as_it_should_be_but_those_below_get_no_error(told):
    found = told(linear="hebbian")
    assert marked(found, "no error arrives") == BELOW["linear"]
    assert marked(found, "none is sent on") == []


def test_a_layer_that_does_not_do_what_its_rule_says(told, monkeypatch):
    """No rule file can plant this: the engine's own place where a rule meets its layer."""
    below = Synapse.below

    def broken(self, s, step):
        sent = below(self, s, step)
        if step.exact or self.name != "linear":
            return sent
        return s.maps.pull(s.delta[..., ::-1].copy(), self.rule.feedback_weights(s.W, self.states))

    monkeypatch.setattr(Synapse, "below", broken)
    assert marked(told(), 'the error that was sent is not Bᵀδ of rule "usf"') == ["linear"]


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("_silent_bp", "Silent"),
        ("_transposed", "Transposed"),
        ("_wrong_sign", "Flipped"),
        ("_sends_nothing", "Mute"),
        ("_nothing_felt", "Climbs"),
    ],
)
def test_each_fault_is_found_by_the_check_that_is_made_for_it(told, monkeypatch, check, fault):
    """Without it nothing in the layer is odd, so that no other flag stands in for it."""
    monkeypatch.setattr(flags, "CHECKS", [each for each in flags.CHECKS if each.__name__ != check])
    assert told(conv1=f"faults.py:{fault}")["conv1"] == []
