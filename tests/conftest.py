"""What several tests share."""

import os

for library in ("OPENBLAS", "MKL"):  # pytest-xdist has a worker a core: no threads below it
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from collections.abc import Callable

import numpy as np
import pytest
from bionas_cupy.engine.random import Key
from bionas_cupy.layers.layer import Layer
from bionas_cupy.layers.model import Model
from bionas_cupy.layers.norm import Normalise
from numpy.typing import DTypeLike

Ready = Callable[..., Model]


@pytest.fixture
def ready() -> Ready:
    """ready(layer, dtype=float64, moved=0.0): a model of the layer, its weights moved by moved·N(0, 1)."""

    def make(layer: Layer, dtype: DTypeLike = np.float64, moved: float = 0.0, seed: int = 0) -> Model:
        model = Model(layer, Normalise([0.0], [1.0]), Key(seed), dtype)
        model.arena.value += moved * np.random.default_rng(1).standard_normal(model.arena.value.size)
        return model

    return make
