"""A row's step on a GPU that is not here: predicted, never measured.

    t = max(launches · floor, bytes / (e · bandwidth), flops / (e · peak))        (engine/cuda/predict.py)

bytes and flops are those that the row declares for its roofline (work.py), launches those that were counted of its
step on the emulated device, at small sizes (tests/cuda/test_bench_launches.py counts them again): how many there are
depends on the network, hardly on its sizes. The step is recorded as a CUDA graph, so that Python takes no part in it.
"""

from ..engine.cuda.predict import GPUS, Prediction, predict
from ..engine.cuda.predict import Work as Launched
from .work import Work

GPU = next(gpu for gpu in GPUS if gpu.name.startswith("A100"))
LAUNCHES = {  # kernels and copies on the device, of one step
    "darts20_step": 4089,
    "resnet20_step": 279,
    "resnet20_step_usf": 298,
    "supernet_step": 23339,
    "supernet_step_shared": 28875,
}


def predicted(name: str, work: Work) -> Prediction | None:
    """Of the row of this name; None where its launches are not known."""
    if name not in LAUNCHES:
        return None
    return predict([Launched(LAUNCHES[name], work.bytes, work.flops)], GPU)
