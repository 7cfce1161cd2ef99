"""The whole engine on CuPy's arrays: equal to the NumPy back end step by step, and frugal with the device.

`pytest -m emulated`: CuPy on an emulated device. `pytest -m gpu`: the same comparisons on a real one.
"""

import gc
from collections import Counter
from typing import Any

import jobs
import numpy as np
import pytest
from bionas_cupy.engine.backend import cpu
from bionas_cupy.engine.registry import registered
from conftest import Device

CLOSE = 1e-5  # relative norm of every array of a checkpoint, after a step from the same state
MIXED = jobs.SEARCHES["own"]["rules"]


def step_both(ours: jobs.Job, theirs: jobs.Job, index: int) -> Counter[str]:
    theirs.step(0, index)
    ours.step(0, index)
    return jobs.distances(ours, theirs)


def kept(job: jobs.Job) -> dict[str, Any]:
    return {name: np.array(array) for name, array in job.arrays().items()}


def beside_itself(theirs: jobs.Job, other: jobs.Job, state: dict[str, Any], index: int, draws: int) -> float:
    """How far NumPy's step from `state` moves when each weight moves by its last bit: the most of some draws."""
    random, most = np.random.default_rng(index), 0.0
    for _ in range(draws):
        last_bit = random.choice(np.float32([-6e-8, 6e-8]), state["weights"].shape)
        other.restore(state | {"weights": state["weights"] * (1 + last_bit)})
        other.step(0, index)
        most = max(most, *jobs.distances(other, theirs).values())
    return most


def ten_steps(build_job: Any, device: Device, *given: Any, **settings: Any) -> str:
    """Each from the state that NumPy's steps have led to; what there is to report.

    Where a rectifier's input is within rounding of zero, or a rule learns from the difference of two losses,
    rounding moves a step by more than `CLOSE` on any machine. One step of the ten may be of this kind, if
    NumPy's own differs as much when each weight moves by its last bit.
    """
    theirs, ours = jobs.pair(build_job, device.backend, *given, **settings)
    told = []
    for index in range(10):
        state = kept(theirs)
        ours.restore(state)
        far = step_both(ours, theirs, index)
        if (most := max(far.values())) >= CLOSE:
            other = build_job(cpu(), *given, **settings)
            own = beside_itself(theirs, other, state, index, draws=8)
            told.append(f"step {index}: {far.most_common(3)}; NumPy beside itself {own:.1e}")
            assert most < 2 * own, told
    assert len(told) <= 1, told
    return "".join(told) or f"ten steps within {CLOSE}"


@pytest.mark.parametrize("rule", sorted(registered()))
def test_ten_steps_of_a_rule(device: Device, rule: str, record_property: Any) -> None:
    if registered()[rule].procedure in ("backward", "perturbed"):
        figure = ten_steps(jobs.tiny_search, device, [rule])
    else:  # a rule for whole networks
        figure = ten_steps(jobs.training, device, "mlp", rule=rule)
    record_property("figure", figure)


def test_ten_steps_of_mixed_rules(device: Device, record_property: Any) -> None:
    record_property("figure", ten_steps(jobs.tiny_search, device, MIXED))


@pytest.mark.parametrize("model", ["lenet", "resnet20", "mlp"])
def test_ten_steps_of_training(device: Device, model: str, record_property: Any) -> None:
    record_property("figure", ten_steps(jobs.training, device, model, rule="usf"))


@pytest.mark.parametrize(
    "case", ["second", "lookahead", "lookahead, local", "own, partial", "own, skips dropped"]
)
def test_steps_of_each_architecture_gradient(device: Device, case: str) -> None:
    theirs, ours = jobs.pair(jobs.tiny_search, device.backend, **jobs.SEARCHES[case])
    for index in range(2):
        ours.restore(theirs.arrays())
        far = step_both(ours, theirs, index)
        assert max(far.values()) < CLOSE, far.most_common(3)


def test_a_round_of_eg(device: Device) -> None:
    """The scores of all points, and α after the round: its points are those of NumPy's."""
    size, eg = {"channels": 4, "partial": 2}, {"searches": 2, "population": 2}
    given = {"rules": ["usf", "fa"], "strategy": "eg", "size": size, "eg": eg}
    theirs, ours = jobs.pair(jobs.tiny_search, device.backend, **given)
    for job in (theirs, ours):
        job.begin(0)
        for index in range(9):
            job.step(0, index)
    far = jobs.distances(ours, theirs)
    assert max(far.values()) < CLOSE, far.most_common(3)
    assert (theirs.arrays()["eg.scores"][:, 0] > 0).all()


def test_drift_of_ten_free_steps(device: Device, record_property: Any) -> None:
    """Rounding grows where rectifiers flip: reported, and small."""
    theirs, ours = jobs.pair(jobs.tiny_search, device.backend, MIXED)
    ours.restore(theirs.arrays())
    far = [step_both(ours, theirs, index) for index in range(10)][-1]
    name, most = far.most_common(1)[0]
    record_property(
        "figure", f"after ten free steps {name} is {most:.1e} away, the weights {far['weights']:.1e}"
    )
    assert far["weights"] < 1e-2


def test_five_steps_of_the_smoke_preset(device: Device, record_property: Any) -> None:
    """A rectifier whose input is within rounding of zero flips, and a gradient jumps with it: some steps of this
    larger network differ by that, by as much as NumPy's own do when each weight moves by its last bit."""
    theirs, ours = jobs.pair(jobs.search, device.backend)
    other, steps, own = jobs.search(cpu()), [], []
    for index in range(5):
        state = kept(theirs)
        ours.restore(state)
        steps.append(max(step_both(ours, theirs, index).values()))
        own.append(beside_itself(theirs, other, state, index, draws=4))
    figures = f"five steps, each from the same state: {steps}; NumPy beside itself at most {max(own):.1e}"
    record_property("figure", figures)
    assert sorted(steps)[1] < CLOSE, figures
    assert max(steps) < max(CLOSE, 2 * max(own)), figures
    theirs_score, ours_score = theirs.running(), ours.running()
    assert ours_score.keys() == theirs_score.keys()
    for name, value in theirs_score.items():
        assert np.isclose(ours_score[name], value, rtol=1e-3), name


# What a step asks of the device, once kernels are compiled and memory is pooled: (launches, copies, waits).
# These may fall, and are then lowered here; they do not grow.

MOST = {
    "lenet": (61, 1, 0),
    "resnet20": (265, 1, 0),
    "own": (1378, 2, 0),
    "own, partial": (1463, 2, 0),
    "second": (2980, 2, 0),
    "lookahead": (3435, 2, 0),
}


def job_of(case: str, device: Device) -> jobs.Job:
    if case in jobs.SEARCHES:
        return jobs.tiny_search(device.backend, **jobs.SEARCHES[case])
    return jobs.training(device.backend, case)


@pytest.mark.parametrize("case", MOST)
def test_what_a_step_asks_of_the_device(emulated: Device, case: str, record_property: Any) -> None:
    job = job_of(case, emulated)
    for update in range(
        2
    ):  # of free blocks of one size the pool gives any: one step may leave other gaps than the next
        job.step(0, update)
    gc.collect()
    assert emulated.asked is not None
    with emulated.asked() as asked:
        job.step(0, 2)
    calls = asked.calls
    found = (calls["launches"] + calls["products"], calls["h2d"] + calls["d2h"], calls["syncs"])
    record_property("figure", f"{found[0]} launches, {found[1]} copies, {found[2]} synchronisations")
    assert all(now <= most for now, most in zip(found, MOST[case], strict=True)), (
        f"{found}, at most {MOST[case]}"
    )
    assert calls["products"] == 0, "cuBLAS cannot be captured"
    assert calls["mallocs"] == 0
