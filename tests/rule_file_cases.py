"""A rule in a file of its own, written into the working folder."""

from pathlib import Path

import numpy as np
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.rule import State

RULE = '''"""Halfway feedback (Nobody 2026)."""

import numpy as np
from bionas_cupy import Array, Rule, State


class Mine(Rule):
    """mine: B = mix W + (1 - mix) s·sign(W),  ΔW = -δ ⊗ x."""

    name = "mine"
    bits = 32.0

    def __init__(self, mix: float = 0.5) -> None:
        self.share = mix

    def feedback_weights(self, W: Array, state: State) -> Array:
        return self.share * W + (1 - self.share) * state.s * np.sign(W)
'''
SMALL = [
    *("-q", "--set", "images_per_epoch=64", "--set", "size.channels=2", "--set", "size.nodes=1"),
    *("--set", 'space.operations=["sep_conv_3x3"]', "--epochs", "1"),
]
W, STATE = np.array([[-0.5, 0.0], [2.0, 1.0]], np.float32), State(Key(0), 0.5)


def write(text: str = RULE, path: str = "my_rule.py") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file
