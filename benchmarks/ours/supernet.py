"""One weight step of a supernet."""

from typing import Any

from ..subject import Subject
from . import models
from .steps import weight_step


def build(batch: int, size: int, **network: Any) -> Subject:
    return weight_step(models.supernet(**network), models.batch(batch, size))
