"""The predicted step: each of its three bounds alone, and that it says what it is."""

import pytest
from bionas_cupy.engine.cuda.predict import EFFICIENCY, FLOOR, GPUS, PER_LAUNCH, Gpu, Work, predict

DEVICE = Gpu("test", 1e12, 1e13)


@pytest.mark.parametrize(
    ("work", "seconds"),
    [
        (Work(10, 0, 0), 10 * FLOOR),
        (Work(1, 6e9, 0), 6e9 / (EFFICIENCY * 1e12)),
        (Work(1, 6e9, 3e12), 3e12 / (EFFICIENCY * 1e13)),
    ],
)
def test_the_slowest_bound_counts(work: Work, seconds: float) -> None:
    found = predict([work], DEVICE)
    assert found.graph == pytest.approx(seconds)
    assert found.eager == pytest.approx(max(seconds, work.launches * PER_LAUNCH))


def test_parts_add_up() -> None:
    parts = [Work(3, 1e9, 0), Work(1, 0, 1e12)]
    together = predict(parts, DEVICE)
    assert together.graph == pytest.approx(sum(predict([p], DEVICE).graph for p in parts))
    assert together.launches == 4
    assert predict([], DEVICE).eager == 0


def test_a_prediction_says_that_it_is_one() -> None:
    for gpu in GPUS:
        assert "predicted" in str(predict([Work(1, 1, 1)], gpu))
        assert "not measured" in str(predict([Work(1, 1, 1)], gpu))
    with pytest.raises(ValueError, match="expected 0 or more"):
        predict([Work(1, -1, 0)], DEVICE)
