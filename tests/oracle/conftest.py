"""The oracles: PyTorch networks written from the papers, against which one training step is compared."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the modules that the tests of this folder share


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """PyTorch takes seconds to import: not where the marker is deselected anyway."""
    return True if "not oracle" in config.option.markexpr else None
