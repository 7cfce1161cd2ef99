"""bionas-cupy. The code is in engine/, layers/, search/, data/, cli/ at the repository root."""

from pathlib import Path

__version__ = "0.1.0"

_root = Path(__file__).resolve().parent.parent
if not Path(__file__).with_name("engine").is_dir() and (_root / "pyproject.toml").is_file():
    __path__.append(str(_root))  # source checkout: the folders lie beside this one
