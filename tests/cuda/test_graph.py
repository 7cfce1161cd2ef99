"""A whole training step, forward to update, captured as a CUDA graph and replayed: nothing in it asks the host."""

from typing import Any

import jobs
import pytest
from bionas_cupy.engine.backend import Backend, cpu
from bionas_cupy.engine.loss import cross_entropy
from bionas_cupy.engine.step import Step
from conftest import Device

REPLAYS = 3


class Loop:
    """Steps of a job's network on one batch that lies where the network does."""

    def __init__(self, backend: Backend, model: str, rule: str) -> None:
        self.job = jobs.training(backend, model, rule=rule)
        self.model, batch = self.job.model, self.job.feed(0, 0)
        self.images = self.model.images(batch.images)
        self.labels = backend.asarray(batch.labels)

    def step(self) -> None:
        self.model.arena.grad.fill(0)
        step = Step(self.model.key.to("step"))
        logits = self.model.network.forward(self.images, step)
        _, error = cross_entropy(logits, self.labels)
        step.top = error
        self.model.network.backward(error, step)
        self.model.clip(5.0)
        self.job.optimiser.step(self.model.arena.grad, 0.05)


@pytest.mark.parametrize(("model", "rule"), [("lenet", "usf"), ("lenet", "fa"), ("resnet20", "bp")])
def test_a_replayed_step_is_the_step(device: Device, model: str, rule: str) -> None:
    ours, theirs = Loop(device.backend, model, rule), Loop(cpu(), model, rule)
    for loop in (ours, theirs):
        loop.step()  # compiles, draws what is fixed
    graph, stream = captured(device.backend.xp, ours)
    theirs.step()
    for _ in range(REPLAYS):
        graph.launch(stream)
        theirs.step()
    stream.synchronize()
    far = jobs.distances(ours.job, theirs.job)
    assert max(far.values()) < 1e-4, far.most_common(3)


def captured(cupy: Any, loop: Loop) -> tuple[Any, Any]:
    """The graph of one step, and its stream. Refused by CUDA where the step waits for, or copies from, the host."""
    cupy.cuda.Device().synchronize()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        loop.step()  # this stream's memory
        cupy.cuda.Device().synchronize()
        stream.begin_capture()
        loop.step()
        graph = stream.end_capture()
    return graph, stream
