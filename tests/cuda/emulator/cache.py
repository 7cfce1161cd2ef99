"""Where the emulator keeps what it builds."""

import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/bionas-cupy, by default ~/.cache/bionas-cupy."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "bionas-cupy"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
