"""The environment in which another process finds this package."""

import os
from pathlib import Path

import bionas_cupy

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(bionas_cupy.__file__).parents[1])}
