"""Planted faults: each is found, in the layer where it was planted and in no other, and named in plain words."""

import numpy as np
import pytest
from bionas_cupy.analysis.flags import flags
from bionas_cupy.analysis.inspection import inspection
from bionas_cupy.analysis.summary import angle_error
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.probe import descend
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.rules.feedback_alignment import FeedbackAlignment
from bionas_cupy.engine.rules.oja import OjaSubspace
from bionas_cupy.engine.rules.sign_concordant import UniformSignFeedback
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.layer import Sequential
from bionas_cupy.layers.linear import Linear
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import BatchNorm, Normalise
from bionas_cupy.layers.pointwise import Flatten, ReLU

LAYERS = ("stem", "conv0", "conv1", "hidden", "classifier")


def network(rules):
    """Convolutions and linear layers, some of them with square weights."""
    stem = Conv(1, 8, 3, [rules["stem"]])
    stem.sends_error = False
    return Sequential(
        stem=stem,
        norm=BatchNorm(8, relu=True),
        conv0=Conv(8, 8, 3, [rules["conv0"]]),
        norm0=BatchNorm(8, relu=True),
        conv1=Conv(8, 12, 3, [rules["conv1"]], stride=2),
        norm1=BatchNorm(12, relu=True),
        flatten=Flatten(),
        hidden=Linear(12 * 16, 12 * 16, [rules["hidden"]]),
        relu=ReLU(),
        classifier=Linear(12 * 16, 10, [rules["classifier"]]),
    )


def inspected(rule="usf", faulty=None, where="conv0", plant=None):
    """{layer: flags} of one step; `faulty` is the rule of one layer, plant(model) breaks something."""
    rules = {name: make_rule(rule) for name in LAYERS}
    if faulty is not None:
        rules[where] = faulty
    model = Model(network(rules), Normalise((0.5,), (0.3,)), Key(3), np.float32)
    if plant:
        plant({synapse.name: synapse for synapse in model.synapses}[where])
    random = np.random.default_rng(1)
    images, labels = random.random((64, 1, 8, 8)), random.integers(0, 10, 64)
    with inspection() as seen:
        step = Step(model.key)
        _, error = cross_entropy(model.network.forward(model.images(images), step), labels)
        step.top = error
        descend(model.network.backward, error, step)
    return {each["layer"]: each["flags"] for each in seen.summary()}, seen


def where_is(found, words):
    return [layer for layer, told in found.items() if any(words in flag for flag in told)]


class SilentlyBP(UniformSignFeedback):
    """Says usf, sends Wᵀδ."""

    def feedback_weights(self, W, state):
        return W


class Transposed(UniformSignFeedback):
    """sign(W), its axes exchanged: a mistake that shapes do not show where outputs and inputs are as many."""

    def feedback_weights(self, W, state):
        return state.s * np.ascontiguousarray(np.sign(W).swapaxes(0, 1)).reshape(W.shape)


class Turned(UniformSignFeedback):
    """sign(W), each kernel turned by 180 degrees."""

    def feedback_weights(self, W, state):
        return state.s * np.ascontiguousarray(np.sign(W)[..., ::-1, ::-1])


class Flipped(UniformSignFeedback):
    """The sign of the sign."""

    def feedback_weights(self, W, state):
        return -state.s * np.sign(W)


class Nothing(FeedbackAlignment):
    """Sends zeros."""

    def feedback_weights(self, W, state):
        return 0 * W


class Climbs(UniformSignFeedback):
    """ΔW = +δ ⊗ x."""

    def update(self, maps, s):
        return maps.outer(s.delta, s.x)


class NotOja(OjaSubspace):
    """Says oja, learns by the gradient."""

    reads = ("x", "y", "delta")

    def update(self, maps, s):
        return -maps.outer(s.delta, s.x)


@pytest.mark.parametrize("rule", ["bp", "usf", "brsf", "qsf8"])
def test_a_sound_network_has_no_flags(rule):
    found, _ = inspected(rule)
    assert found == {layer: [] for layer in LAYERS}


@pytest.mark.parametrize("where", ["conv0", "conv1", "hidden", "classifier"])
def test_a_rule_that_silently_is_bp(where):
    found, seen = inspected(faulty=SilentlyBP(), where=where)
    assert where_is(found, 'rule "usf" sends what bp sends') == [where]
    assert [each["layer"] for each in seen.summary() if each["ran"] == "bp"] == [where]


@pytest.mark.parametrize("where", ["conv0", "conv1", "hidden", "classifier"])
@pytest.mark.parametrize("fault", [Transposed, Turned])
def test_a_feedback_that_is_transposed(fault, where):
    if fault is Turned and where in ("hidden", "classifier"):
        pytest.skip("a matrix has no kernel to turn")
    found, _ = inspected(faulty=fault(), where=where)
    assert where_is(found, "B is W transposed or turned") == [where]


@pytest.mark.parametrize("where", ["conv0", "hidden", "classifier"])
def test_a_sign_flipped_in_one_layer(where):
    found, _ = inspected(faulty=Flipped(), where=where)
    assert where_is(found, "the error is sent with the wrong sign") == [where]
    assert "against its loss" in str(found["stem"])  # and what that does below


@pytest.mark.parametrize("where", ["conv0", "hidden", "classifier"])
def test_a_layer_that_sends_no_error(where):
    found, _ = inspected(faulty=Nothing(), where=where)
    assert where_is(found, "none is sent on") == [where]
    assert where_is(found, "no error arrives") == list(LAYERS[: LAYERS.index(where)])


def test_an_update_of_the_wrong_sign():
    class Backwards(UniformSignFeedback):
        pass

    def plant(synapse):
        update = synapse.update
        synapse.update = lambda s, step: -update(s, step)

    found, _ = inspected(faulty=Backwards(), where="conv1", plant=plant)
    assert where_is(found, "ΔW has the wrong sign") == ["conv1"]
    assert where_is(inspected(faulty=Climbs(), where="hidden")[0], "learns against its loss") == ["hidden"]


def test_a_local_rule_that_silently_descends():
    found, _ = inspected(faulty=NotOja(sends="feedback"), where="hidden")
    assert where_is(found, "and by nothing of its own") == ["hidden"]


def test_an_engine_that_sends_something_else_than_its_rule_says():
    """Not the rule is wrong, but the place where it meets the layer."""

    def silently_exact(synapse):
        synapse.below = lambda s, step: s.maps.pull(s.delta, s.W)

    def transposed(synapse):
        def below(s, step):
            if step.exact:
                return s.maps.pull(s.delta, s.W)
            B = synapse.rule.feedback_weights(s.W, s.states)
            return s.maps.pull(s.delta, np.ascontiguousarray(B.swapaxes(1, 2)))

        synapse.below = below

    found, seen = inspected("frsf", where="conv0", plant=silently_exact)
    assert where_is(found, 'rule "frsf" sends what bp sends') == ["conv0"]
    found, seen = inspected("usf", where="hidden", plant=transposed)
    assert where_is(found, 'is not Bᵀδ of rule "usf"') == ["hidden"]
    assert {each["layer"]: each["ran"] for each in seen.summary()}["hidden"] == "unknown"
    found, _ = inspected("bp", where="hidden", plant=transposed)
    assert where_is(found, "rule bp sends something else than Wᵀδ") == ["hidden"]


def test_what_a_loss_cannot_feel():
    found, seen = inspected("fa")
    felt = {each["layer"]: abs(90 - each["angle_update"]) > 5 for each in seen.summary()}
    assert where_is(found, "this layer learns nothing that its loss can feel") == [
        k for k in LAYERS if not felt[k]
    ]
    assert "hidden" in where_is(found, "can feel")
    assert found["classifier"] == []


def test_an_angle_is_odd_only_where_its_noise_cannot_explain_it():
    """Two standard errors beyond the limit: of 85° to be felt by nobody, of 90° to be against the loss."""
    sound = inspected()[1].summary()[2]

    def told(angle, error, **more):
        return flags(sound | {"angle_update": angle, "angle_update_error": error} | more)

    assert told(88.0, 1.6) == []
    assert told(88.0, 1.4) == ["angle 88°: this layer learns nothing that its loss can feel"]
    assert told(97.0, 6.1) == []
    assert told(97.0, 3.6) == ["angle 97°: this layer learns nothing that its loss can feel"]
    assert told(97.0, 3.4) == ["angle 97°: this layer learns against its loss"]
    noise = {"learns": "noise", "angle_update_local": None}
    assert told(97.0, 1.1, **noise) == []
    assert told(97.0, 0.9, **noise) == ["angle 97°: this layer learns against its loss"]


def test_an_update_that_is_turned_over_at_times_is_no_noise():
    """Steps at 0° and at 180° have a mean of 90° and a standard error that explains anything."""
    sound = inspected()[1].summary()[2] | {"angle_update": 90.0, "angle_update_error": 17.0, "steps": 10}

    def told(climbing, **more):
        return flags(sound | {"steps_climbing": climbing} | more)

    assert told(5, learns="own", angle_update_local=90.0) == told(5) != []
    assert told(1) == ["in 1 of 10 steps ΔW is turned over: it climbs the error that it was told"]
    assert told(0) == told(5, reads=("x", "delta", "modulator")) == told(5, reads=("x", "y")) == []


def test_the_error_of_an_angle_is_that_of_its_mean_and_no_less_than_chance():
    random = np.random.default_rng(0)
    angles = np.array([80.0, np.nan, 90.0, 94.0])
    assert angle_error(angles, (50, 60)) == pytest.approx(np.std([80, 90, 94], ddof=1) / np.sqrt(3))
    u, v = random.normal(size=(2, 4000, 100))
    cosines = (u * v).sum(axis=1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    by_chance = np.degrees(np.arccos(cosines)).std()
    assert angle_error(np.array([88.0]), (4, 25)) == pytest.approx(by_chance, rel=0.05)
    assert angle_error(np.full(9, 88.0), (4, 25)) == pytest.approx(by_chance / 3, rel=0.05)
    assert angle_error(np.array([np.nan]), (4, 25)) is None


def test_dead_inputs_and_wild_sizes():
    _, seen = inspected()
    sound = seen.summary()[2]
    assert flags(sound) == []
    assert "60 % of its inputs" in flags(sound | {"dead": 0.6})[0]
    assert "200 times as large" in flags(sound | {"norm_below": 200.0, "norm_below_exact": 1.0})[0]
    assert "diverged" in flags(sound | {"not_finite": True})[0]
    assert "does not learn" in flags(sound | {"norm_update": 0.0})[0]
