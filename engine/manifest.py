"""What a run was made of: versions, seed, digests of data and rules, device, threads, machine, date."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from .. import __version__

_DISTRIBUTIONS = ("numpy", "scipy", "h5py", "numba", "cma", "moocore", "cupy-cuda12x", "cupy-cuda13x")


def manifest(
    seed: int, data_digest: str, device: str, threads: int, rule_digests: Mapping[str, str]
) -> dict[str, Any]:
    """The contents of manifest.json when a run starts; nothing heavy is imported for it."""
    return {
        "format": 1,
        "date": now(),
        "finished": None,
        "seed": seed,
        "device": device,
        "threads": threads,
        "data_digest": data_digest,
        "rule_digests": dict(rule_digests),
        "versions": versions(),
        "machine": machine(),
    }


def versions() -> dict[str, str | None]:
    """Of Python, this package and the libraries that numbers depend on; None for what is not installed."""
    found = {name: _version(name) for name in _DISTRIBUTIONS}
    return {"bionas-cupy": __version__, "python": platform.python_version(), **found}


def machine() -> dict[str, str | int | None]:
    """Name, system, architecture and number of processors of this computer."""
    return {
        "name": platform.node(),
        "platform": platform.platform(),
        "architecture": platform.machine(),
        "processors": os.cpu_count(),
    }


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
