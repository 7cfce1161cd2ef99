"""Dropout of elements and of paths: drawn by the key, in training alone, where it belongs."""

import numpy as np
import pytest
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.step import Step
from bionas_cupy.layers.dropout import Dropout, DropPath
from layer_builders import NORMAL, Array, Pair, always_bp, fixed_cell


def test_dropout_drops_elements_by_its_key() -> None:
    x = np.ones((300, 101))

    def dropped(name: str = "a", update: int = 0) -> Array:
        layer = Dropout(0.25)
        layer.name = name
        return layer.forward(x, Step(Key(0), update))

    y = dropped()
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert y.mean() == pytest.approx(1.0, abs=0.01)
    assert np.array_equal(dropped(), y)
    for other in (dropped("b"), dropped(update=1)):
        assert 0.35 < (other != y).mean() < 0.4  # 2·0.25·0.75
    assert np.array_equal(Dropout(0.25).forward(x, Step(Key(0), training=False)), x)


def dropped(name: str = "a", update: int = 0, seed: int = 0, count: int = 400, p: float = 0.3) -> Array:
    layer = DropPath()
    layer.name = name
    return layer.forward(np.ones((count, 1, 2, 2, 2)), Step(Key(seed), update, drop_path=p))


def test_drop_path_drops_samples_by_its_key() -> None:
    y = dropped()
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    assert (y == y[:, :1, :1, :1, :1]).all()  # a sample as a whole
    assert np.array_equal(dropped(), y)
    for other in (dropped("b"), dropped(update=1), dropped(seed=1)):
        assert 0.3 < (other != y)[:, 0, 0, 0, 0].mean() < 0.55  # 2·0.3·0.7
    assert dropped(count=40_000).mean() == pytest.approx(1.0, abs=0.015)


def test_drop_path_is_for_training() -> None:
    x = np.ones((3, 1, 1, 1, 1))
    for options in ({"training": False, "drop_path": 0.5}, {"drop_path": 0.0}):
        assert np.array_equal(DropPath().forward(x, Step(Key(0), **options)), x)  # type: ignore[arg-type]


def test_drop_path_stands_on_what_is_no_identity() -> None:
    layer = fixed_cell(always_bp, NORMAL, False, False)
    assert isinstance(layer, Pair)
    found = [any(isinstance(part, DropPath) for _, part in e.walk()) for e in layer.cell.edge]
    assert found == [o != "skip_connect" for _, _, o in NORMAL]
