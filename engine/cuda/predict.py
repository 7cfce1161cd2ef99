"""A step's time on a GPU, predicted from what it has to move and to compute. Never a measurement.

    t = Σ over launches of max(floor, bytes / (e · bandwidth), flops / (e · peak))       (Williams et al. 2009)

bytes and flops are the compulsory ones: every input read once, every output written once. e is the share of the
roofline that plain kernels reach, and floor the shortest time of a kernel; both are assumptions, told with the
result. Where Python issues every launch, the host's time can be the longer one.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Gpu(NamedTuple):
    """Vendor figures: bytes a second of memory, float32 operations a second without tensor cores."""

    name: str
    bandwidth: float
    peak: float


GPUS = (
    Gpu("T4", 320e9, 8.1e12),
    Gpu("RTX 4090", 1008e9, 82.6e12),
    Gpu("A100 80 GB", 2039e9, 19.5e12),
    Gpu("H100 SXM", 3350e9, 66.9e12),
)
EFFICIENCY = 0.6  # assumed
FLOOR = 2.5e-6  # s, assumed: the shortest kernel, its drain included
PER_LAUNCH = 12e-6  # s, assumed: Python, the checks of the launcher, CuPy and the driver


class Work(NamedTuple):
    """`launches` kernels that together move `bytes` and do `flops`: of a whole step, or of a part of it.

    counted() (count.py) gives launches and bytes of a step that has run anywhere; flops are the caller's to declare.
    """

    launches: int
    bytes: float
    flops: float


class Prediction(NamedTuple):
    """Seconds a step: with Python issuing each launch, and as a CUDA graph; a prediction, not a measurement."""

    gpu: str
    eager: float
    graph: float
    launches: int

    def __str__(self) -> str:
        times = f"{self.eager * 1e3:.2f} ms, as a graph {self.graph * 1e3:.2f} ms"
        return f"{self.gpu}: {times} (predicted by a roofline from {self.launches} launches; not measured)"


def predict(work: Iterable[Work], gpu: Gpu) -> Prediction:
    """The prediction for one device. Raises ValueError for work that is negative."""
    device, launches = 0.0, 0
    for part in work:
        if min(part) < 0:
            raise ValueError(f"work is {part}, expected 0 or more of each.")
        roofline = max(part.bytes / (EFFICIENCY * gpu.bandwidth), part.flops / (EFFICIENCY * gpu.peak))
        device += max(part.launches * FLOOR, roofline)
        launches += part.launches
    return Prediction(gpu.name, max(device, launches * PER_LAUNCH), device, launches)
