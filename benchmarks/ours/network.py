"""One training step of a network without a search: "darts" or "resnet"."""

from typing import Any

from ..subject import Subject
from . import models
from .steps import training_step


def build(network: str, batch: int, size: int, **form: Any) -> Subject:
    model = models.darts(**form) if network == "darts" else models.resnet(**form)
    return training_step(model, models.batch(batch, size))
