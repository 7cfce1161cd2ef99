"""What a benchmark's figures are made of: idle rounds, memory, declared work. Nothing here is timed."""

import pytest
from bench_cases import LOOP, answer
from bionas_cupy.benchmarks import fit, pairs, rounds, rows, work
from bionas_cupy.benchmarks.machine import others, peak_mb, ticks
from bionas_cupy.engine.errors import BionasError, DeviceError


def test_time_of_others() -> None:
    rows_of_two = [
        ["100", "0", "50", "800", "50", "0", "0", "0"],
        ["0", "0", "0", "1000", "0", "0", "0", "0"],
    ]
    busy, total = ticks(rows_of_two)
    assert busy / total == pytest.approx(150 / 2000)
    assert others((1.0, 10.0), (3.0, 14.0), own=1.5) == pytest.approx(0.5 / 4)
    assert others((1.0, 10.0), (3.0, 14.0), own=2.5) == 0.0  # two clocks of different grain
    assert others(None, None, 1.0) is None


def test_only_quiet_rounds_count() -> None:
    taken = [
        [answer(1.0), answer(3.0)],
        [answer(9.0, others=0.5), answer(3.0)],
        [answer(2.0), answer(5.0, others=None)],
        [answer(1.5), answer(9.0, others=0.2)],
        [answer(3.0, peak=120.0), answer(4.0)],
    ]
    found = pairs.summary(taken)
    assert (found.rounds, found.discarded, found.quiet) == (3, 2, True)
    ours, peer = found.sides
    assert ours == rounds.Side(ms=2000.0, spread=1.0, peak_mb=120.0)
    assert (peer.ms, peer.spread) == (4000.0, 0.5)


def test_without_quiet_rounds_all_count_and_it_says_so() -> None:
    found = pairs.summary([[answer(seconds, others=0.4)] for seconds in (1.0, 2.0, 4.0)])
    assert (found.rounds, found.discarded, found.quiet) == (3, 0, False)
    assert found.sides[0].ms == 2000.0


def test_rounds_end_when_enough_are_quiet_or_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "LONGEST", 15.0)
    loud = iter([0.5, 0.0, 0.5, 0.0, 0.0, 0.0])
    assert len(pairs.take(lambda: [answer(1.0, next(loud))], 3)) == 5
    now = iter(range(0, 10_000, 10))
    taken = pairs.take(lambda: [answer(1.0, 0.5)], 3, clock=lambda: float(next(now)))
    assert pairs.LEAST <= len(taken) < 20


def test_what_is_not_the_same_step_is_not_compared() -> None:
    told = {"loss": 2.0, "gradient_norm": 1.0}
    pairs.check_same(LOOP, told, LOOP, {"loss": 2.0001, "gradient_norm": 1.01})
    pairs.check_same(LOOP, told, LOOP, {})
    for other in ({"loss": 2.01}, {"gradient_norm": 1.1}, {"loss": float("nan")}):
        with pytest.raises(BionasError, match="do not take the same step"):
            pairs.check_same(LOOP, told, LOOP, other)


# Memory


def test_the_largest_batch_that_fits() -> None:
    needs = [fit.Need(100.0, 10.0), fit.Need(200.0, 30.0)]
    assert fit.largest(64, needs, None) == 64
    assert fit.largest(64, needs, 2860.0 / fit.SHARE + 1) == 64
    assert fit.largest(64, needs, 2860.0 / fit.SHARE - 1) == 48
    assert fit.largest(64, needs, 620.0 / fit.SHARE + 1) == 8
    with pytest.raises(DeviceError, match="not enough memory"):
        fit.largest(64, needs, 300.0)


def test_peak_memory_only_grows() -> None:
    before = peak_mb()
    block = bytearray(64_000_000)
    assert peak_mb() >= before
    assert peak_mb() > len(block) / 1e6


# Work


def test_work_of_resnet20() -> None:
    """40,550,400 multiply-adds an image and pass (He's table without its 640 of the classifier); no error below
    the stem's 442,368.
    """
    assert work.resnet20(1, 32).flops == 2 * (3 * 40_550_400 - 442_368)
    assert work.resnet20(7, 32) == work.Work(*(7 * each for each in work.resnet20(1, 32)))


def test_work_of_a_half() -> None:
    form = {"batch": 2, "channels": 4, "size": 8, "lanes": 3, "kernel": 3, "dilation": 1, "stride": 2}
    form, y = form | {"inner": False}, 2 * 3 * 4 * 16
    forward, backward = (work.half(form | {"direction": d}) for d in ("forward", "backward"))
    assert forward == work.Work(2 * y * (9 + 4), 4 * (2 * 4 * 64 + y))
    assert backward.flops == 2 * y * (3 * 9 + 2 * 4)  # h again, its two gradients; two of the pointwise map
    assert backward.bytes == 4 * (y // 3 + y + 3 * 2 * 4 * 64)  # x; the error below, read and written
    dilated = work.half(form | {"direction": "forward", "dilation": 2})
    assert forward.bytes - dilated.bytes == 4 * 2 * 4 * 32  # every other row of x


def test_every_declared_work_is_positive() -> None:
    declared = [row for row in rows.ROWS if row.work]
    assert len(declared) > 20
    for row in declared:
        asked = row.work(row.ours.settings)
        assert asked.flops > 0, row.name
        assert asked.bytes > 0, row.name
