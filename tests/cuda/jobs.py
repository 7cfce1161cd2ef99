"""The same job on NumPy and on a device: small searches and trainings of the digits, compared step by step."""

from collections import Counter
from typing import Any

from bionas_cupy.data.load import load
from bionas_cupy.engine.backend import Backend, cpu
from bionas_cupy.engine.random import Key
from bionas_cupy.search.config import SEARCH_PRESETS, SearchConfig, TrainConfig, build
from bionas_cupy.search.feed import chosen_images
from bionas_cupy.search.searches import supernet_search
from bionas_cupy.search.supernet_search import SupernetSearch
from bionas_cupy.search.training import Training
from emulator.compare import distance

Job = SupernetSearch | Training
OPERATIONS = ["sep_conv_3x3", "dil_conv_5x5", "skip_connect", "max_pool_3x3", "avg_pool_3x3", "none"]


def search(backend: Backend, **settings: Any) -> SupernetSearch:
    """A search whose α learns from the first step on."""
    config = build(SearchConfig, [SEARCH_PRESETS["smoke"], {"architecture": {"warmup": 0.0}}, settings])
    return supernet_search(config, chosen_images(load("digits", None), config.data, Key(0)), backend)


def tiny_search(backend: Backend, rules: list[str], weights: str = "own", **settings: Any) -> SupernetSearch:
    """Three narrow cells of one node, the second and third reductions; every kind of operation."""
    size = {"channels": 2, "cells": 3, "nodes": 1} | settings.pop("size", {})
    space = {"operations": OPERATIONS, "rules": rules, "weights": weights}
    return search(backend, size=size, space=space, batch=6, **settings)


SEARCHES: dict[str, dict[str, Any]] = {  # every way in which α learns
    "own": {"rules": ["fa", "usf", "brsf", "bp"]},
    "own, price": {"rules": ["usf", "bp"], "architecture": {"warmup": 0.0, "price": 0.1}},
    "own, α rests": {"rules": ["usf"], "architecture": {"warmup": 0.99}},
    "own, partial": {
        "rules": ["usf", "bp"],
        "size": {"channels": 4, "partial": 2},
        "architecture": {"warmup": 0.0, "edge_weights": True},
    },
    "own, skips dropped": {"rules": ["usf"], "collapse": {"skip_dropout": 0.3}},
    "second": {"rules": ["bp"], "architecture": {"warmup": 0.0, "gradient": "second"}},
    "lookahead": {
        "rules": ["fa", "brsf"],
        "weights": "shared",
        "architecture": {"warmup": 0.0, "gradient": "lookahead"},
    },
    "lookahead, local": {
        "rules": ["usf", "hebbian"],
        "weights": "shared",
        "architecture": {"warmup": 0.0, "gradient": "lookahead"},
    },
}


def training(backend: Backend, model: str, **settings: Any) -> Training:
    config = build(TrainConfig, [{"model": model, "batch": 6}, settings])
    return Training(config, None, chosen_images(load("digits", None), config.data, Key(0)), backend)


def pair(build_job: Any, backend: Backend, *given: Any, **settings: Any) -> tuple[Job, Job]:
    """The job on NumPy and on the device."""
    return build_job(cpu(), *given, **settings), build_job(backend, *given, **settings)


def distances(ours: Job, theirs: Job) -> Counter[str]:
    """By array of a checkpoint, the relative norm of the difference."""
    a, b = ours.arrays(), theirs.arrays()
    return Counter({name: distance(a[name], b[name]) for name in b})
