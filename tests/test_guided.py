"""EG-NAS on the supernet: what a point's score is, the round and its step, resumption, the price."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.cli.main import main
from bionas_cupy.data.load import load
from bionas_cupy.engine.backend import cpu
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.step import Step
from bionas_cupy.search.config import SearchConfig, build
from bionas_cupy.search.darts import DartsSearch
from bionas_cupy.search.genotype import read_genotype
from bionas_cupy.search.guided import GuidedSearch
from bionas_cupy.search.strategies.eg_round import similarity
from bionas_cupy.search.tree import settings

OPERATIONS = 'space.operations=["none", "skip_connect", "max_pool_3x3", "sep_conv_3x3"]'
TINY = [
    "strategy=eg", "batch=16", "images_per_epoch=48", "epochs=3", "size.cells=2", "size.nodes=1", OPERATIONS,
    'space.rules=["fa", "usf"]', "eg.searches=2", "eg.population=3", "architecture.warmup=0.3",
]  # fmt: skip
POINTS = 2 * 3 * 2  # N λ G


def search(*options: str) -> GuidedSearch:
    config = build(SearchConfig, [settings([*TINY, *options])])
    return GuidedSearch(config, load("digits", None).train.take(np.arange(200)), cpu())


def epoch_of(job: GuidedSearch, epoch: int, start: int = 0, end: int | None = None) -> None:
    job.begin(epoch)
    for index in range(start, job.steps if end is None else end):
        job.step(epoch, index)


def asked_in(job: GuidedSearch, epoch: int) -> list[np.ndarray]:
    """The points of a round, as they are scored; the steps of its weights are left out."""
    job.begin(epoch)
    job.step(epoch, 0)
    points = []
    for index in range(1, job.evaluations(epoch)):
        points.append(job._asked[(index - 1) % job.generation_size])
        job.step(epoch, index)
    return points


def naive_score(job: GuidedSearch, z: np.ndarray, epoch: int, batches: int) -> tuple[float, int]:
    """Mean loss and correct answers, from logits in float64 by NumPy's own softmax."""
    rows = z.reshape(job.architecture.alpha.shape)
    exp = np.exp(rows - rows.max(axis=-1, keepdims=True))
    p = exp / exp.sum(axis=-1, keepdims=True)
    losses, hits = [], 0
    for n in range(batches):
        batch = job.val(epoch, n)
        step = Step(job.model.key.to("step"), learn=False)  # a training pass: batch statistics
        logits = job.supernet.forward_mixed(job.model.images(batch.images), (p[0], p[1]), step).astype(
            np.float64
        )
        logs = logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
        logs -= logits.max(1, keepdims=True)
        losses.append(-logs[np.arange(len(logs)), batch.labels].mean())
        hits += int((logits.argmax(1) == batch.labels).sum())
    return float(np.mean(losses)), hits


def test_a_point_is_scored_by_the_supernet_with_its_weights() -> None:
    job = search("eg.batches=2")
    epoch_of(job, 0)
    weights, alpha = job.model.arena.value.copy(), job.architecture.point()
    gradient, buffers = job.model.arena.grad.copy(), job.model.arrays()
    points = asked_in(job, 1)
    assert len(points) == POINTS
    for row, z in zip(job.scores, [alpha, *points], strict=True):
        loss, hits = naive_score(job, z, 1, batches=2)
        assert row[0] == pytest.approx(loss, rel=1e-5)
        assert row[2] == hits
    assert len({tuple(np.round(row, 6)) for row in job.scores}) > POINTS // 2
    assert (job.model.arena.value == weights).all()  # looking changes nothing
    assert (job.model.arena.grad == gradient).all()
    assert all((np.asarray(a) == buffers[name]).all() for name, a in job.model.arrays().items())


@pytest.mark.parametrize("step", ["point", "difference"])
def test_a_round_moves_alpha_towards_the_most_accurate_leader(step: str) -> None:
    job = search(f"eg.step={step}", "architecture.price=0.3")
    epoch_of(job, 0)
    alpha = job.architecture.point()
    points = asked_in(job, 1)
    centre, *scores = job.scores.tolist()
    found: dict[int, tuple[float, ...]] = {}
    for i, ((_, objective, hits), z) in enumerate(zip(scores, points, strict=True)):
        f = objective + (0.4 if hits >= centre[2] else -0.4) * similarity(alpha, z)
        n = i % job.generation_size // 3
        found[n] = min(found.get(n, (np.inf,)), (f, -hits, objective, i))
    s = points[int(min(found.values(), key=lambda one: one[1:3])[3])]
    expected = alpha + 0.6 * (s if step == "point" else s - alpha)
    np.testing.assert_array_equal(job.architecture.point(), expected)
    starts = [points[0], points[3]]
    assert np.abs(starts[0] - starts[1]).min() > 0


def test_the_weights_learn_as_in_any_search_of_a_supernet() -> None:
    """No gradient of α is in the clipped norm, nor anywhere: an epoch is DARTS' with an α that rests."""
    ours = search("optimiser.clip=0.1")
    epoch_of(ours, 0)
    config = ours.config.model_copy(update={"strategy": "darts", "eg": None})
    theirs = DartsSearch(config, load("digits", None).train.take(np.arange(200)), cpu())
    for index in range(3):
        theirs.step(0, index)
    assert (ours.model.arena.value == theirs.model.arena.value).all()
    epoch_of(ours, 1)
    theirs.architecture.place(ours.architecture.point())
    theirs.config = theirs.config.model_copy(deep=True)
    theirs.config.architecture.warmup = 0.99
    for index in range(3):
        theirs.step(1, index)
    assert (ours.model.arena.value == theirs.model.arena.value).all()
    assert ours.score(1).keys() >= {"train_loss", "validation_loss", "leader_accuracy"}


@pytest.mark.parametrize("stopped", [5, 7, POINTS + 1])
def test_a_search_stopped_anywhere_goes_on_in_the_same_bits(stopped: int) -> None:
    whole, half, again = search(), search(), search()
    for job in (whole, half):
        epoch_of(job, 0)
        epoch_of(job, 1, end=stopped)
    again.restore({name: np.array(a) for name, a in half.arrays().items()})
    for job in (whole, again):
        epoch_of(job, 1, start=stopped)
        epoch_of(job, 2)
    found, expected = again.arrays(), whole.arrays()
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert np.array_equal(array, found[name]), name
    assert whole.rounds == 2


def test_steps_and_updates() -> None:
    job = search()
    lengths = []
    for epoch in range(3):
        job.begin(epoch)
        assert job.steps_before(epoch) == sum(lengths)
        lengths.append(job.steps)
    assert lengths == [3, POINTS + 4, POINTS + 4]
    assert [job.update_of(1, i) for i in (0, POINTS + 1, POINTS + 3)] == [3, 3, 5]
    assert [job.step_of(update) for update in (2, 3, 7)] == [(0, 2), (1, POINTS + 1), (2, POINTS + 2)]


def test_alpha_is_not_judged_before_it_moves() -> None:
    """It has rested long enough within the first epoch: DARTS moves it then, a round begins with the second."""
    job = search("architecture.warmup=0.2", "collapse.stop=skips", "collapse.skips=1")
    job.architecture.alpha[..., 1] = 9.0  # skips
    assert [job.moves(epoch) for epoch in range(3)] == [False, True, True]
    epoch_of(job, 0)
    job.score(0)
    assert not job.ended()
    job.score(1)
    assert job.ended()


def test_the_price_is_paid_by_each_point() -> None:
    job = search("architecture.price=10")
    epoch_of(job, 0)
    points = asked_in(job, 1)
    bits = {"fa": 0.0, "usf": 1.0, None: 0.0}
    weights = job.candidate_weights
    for row, z in zip(job.scores[1:], points, strict=True):
        p = np.exp(z.reshape(weights.shape))
        p = p / p.sum(axis=-1, keepdims=True) * weights
        expected = (
            sum((p[..., k] * bits[c.rule]).sum() for k, c in enumerate(job.architecture.candidates)) / p.sum()
        )
        reduce_skip = p[..., 1].sum() / p.sum() * 32.0  # the skips of stride 2 learn by bp
        assert row[1] - row[0] == pytest.approx(10 * (expected + reduce_skip), rel=1e-9)


def test_edge_weights_and_partial_channels_are_searched_too() -> None:
    job = search("size.partial=2", "architecture.edge_weights=true")
    epoch_of(job, 0)
    before = job.architecture.point()
    assert job.architecture.sizes == [5] * 4 + [2] * 2
    assert len(before) == 24
    epoch_of(job, 1)
    after = job.architecture.point()
    assert (after != before).all()
    job.architecture.place(before)
    assert (job.architecture.point() == before).all()
    np.testing.assert_array_equal(job.architecture.beta.ravel(), before[20:])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["space.weights=shared"], "the same whatever the rules"),
        (["architecture.gradient=second"], "takes no gradient"),
        (["evaluations=10"], "Use --epochs"),
        (["eg.spread=1e300"], "eg.spread: input should be less than or equal to 1000000"),
    ],
)
def test_what_cannot_be_searched_so_is_refused(options: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        search(*options)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = [word for option in TINY[1:] for word in ("--set", option)]
    assert main(["search", "--strategy", "eg", "--price", "0.1", *tiny, "--out", "run", "-q", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1]["architecture_steps"] == 2
    genotype = read_genotype(tmp_path / "run")
    assert genotype.provenance["strategy"] == "eg"
    assert genotype.provenance["settings"]["move"] == 0.6
    assert "leader_accuracy" in genotype.score
    assert main(["search", "--resume", "run", "-q"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "α moved 2 times, each time by the leader of 12 points" in said
