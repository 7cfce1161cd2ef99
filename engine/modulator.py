"""The neuromodulator: one number a step for the whole network, which rules that declare "modulator" may read.

    m = v - v̄,   v̄ ← v̄ + 0.1 (v - v̄)

v is the share of correct answers of the batch ("reward"), or its loss ("surprise"): known after the forward pass of the
step that learns. v̄ starts at the first v, so that m is 0 there.
"""

from .backend import Array, Backend

KINDS = ("reward", "surprise")


class Modulator:
    def __init__(self, kind: str, backend: Backend) -> None:
        self.kind = kind
        self.average = backend.zeros((2,), "float64")  # v̄, and the number of values it has seen

    def __call__(self, loss: Array, correct: Array, count: int) -> Array:
        """m, a 0-d array on the device."""
        v = correct / count if self.kind == "reward" else loss
        seen = self.average[1] > 0
        m: Array = (v - self.average[0]) * seen
        self.average[0] += (v - self.average[0]) * (0.1 * seen + (1 - seen))
        self.average[1] += 1
        return m
