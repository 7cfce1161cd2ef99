"""Searches whose candidates train for a tenth of a second."""

from typing import Any

from bionas_cupy.search.config import SearchConfig, build
from bionas_cupy.search.trials.laboratory import Laboratory, training_images
from bionas_cupy.search.trials.setup import space_of


def configured(**settings: Any) -> SearchConfig:
    """Trainings of a tenth of a second."""
    small = {
        "epochs": 1,
        "batch": 20,
        "size": {"nodes": 1, "cells": 1, "channels": 2},
        "data": {"subset": 80},
    }
    return build(SearchConfig, [{"strategy": "random", **small}, settings])


def made(config: SearchConfig) -> Laboratory:
    return Laboratory(config, space_of(config, None), training_images(config))
