"""The proof ladder of the CUDA kernels (docs/proof.md)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the modules that the tests of this folder share
