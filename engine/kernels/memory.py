"""What the C library does with the memory of arrays that are freed."""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
LARGEST = 32 << 20  # bytes: the most that glibc lets a heap serve


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed arrays for the next ones.

    Else it goes back to the system after each layer and comes again page by page, zeroed, at a fault each: a fifth
    of a training step of ResNet-20. Where MALLOC_… or GLIBC_TUNABLES are set, or the C library is another, nothing
    happens."""
    chosen = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if chosen or not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
