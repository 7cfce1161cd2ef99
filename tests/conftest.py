"""Before NumPy is imported: pytest-xdist has a worker a core, so that BLAS needs no threads below it."""

import os

for library in ("OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
