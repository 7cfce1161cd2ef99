"""Before NumPy is imported: pytest-xdist has a worker a core, so that BLAS needs no threads below it."""

import os
import sys
from pathlib import Path

for library in ("OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))  # the modules that tests share


def pytest_terminal_summary(terminalreporter):
    """What tests measured, beside whether they passed: record_property("figure", "...")."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(f"{report.nodeid.rpartition('/')[2]}: {value}")
