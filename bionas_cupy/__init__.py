"""bionas-cupy. The code is in engine/, layers/, search/, data/, analysis/, cli/ at the repository root.

    import bionas_cupy as bn

The public names below are imported when they are first used, so that `import bionas_cupy` costs nothing.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_root = Path(__file__).resolve().parent.parent
if not Path(__file__).with_name("engine").is_dir() and (_root / "pyproject.toml").is_file():
    __path__.append(str(_root))  # source checkout: the folders lie beside this one

_PUBLIC = {
    "probe": "engine.probe",
    "inspect": "analysis.calls",
    "inspection": "analysis.inspection",
    "read_signals": "analysis.reading",
    "check_gradients": "engine.check",
    "Rule": "engine.rule",
    "Signals": "engine.rule",
    "State": "engine.rule",
    "Maps": "engine.rule",
    "Array": "engine.backend",
    "make_rule": "engine.registry",
    "Key": "engine.random",
    "load": "data.load",
    "run_search": "search.calls",
    "run_train": "search.calls",
    "Genotype": "search.genotype",
    "read_genotype": "search.genotype",
    "BionasError": "engine.errors",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'bionas_cupy' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
