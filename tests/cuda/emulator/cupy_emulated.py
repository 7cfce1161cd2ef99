"""`load()` makes `import cupy` give the real CuPy on the emulated device (driver/), and counts what it asks of it.

What is not emulated (cuRAND, sorting by thrust, CUB, cuSOLVER, cuSPARSE, cuFFT, NCCL) is refused loudly: a stub
build alone would report success and do nothing.
"""

import ctypes
import os
import subprocess
import sys
import types
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from . import cupy_build
from .build import BASE, HERE, build, compile_to, folder, version
from .cache import digest

DRIVER = sorted((HERE / "driver").glob("*.cpp"))
NAMES = (  # Counters in driver.h
    *("launches", "products", "h2d", "h2d_bytes", "d2h", "d2h_bytes", "d2d", "d2d_bytes", "memsets", "syncs"),
    *("mallocs", "frees", "live_bytes", "peak_bytes", "graph_launches"),
)
OURS = ("PyInit_", "_fini", "_init", "nvtx", "make_cuda", "cupy_")  # exported by CuPy itself, no stubs


class _Counters(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in NAMES]


@dataclass
class Asked:
    """What was asked of the device within a block: `calls["syncs"]`, `kernels["affine"]`."""

    calls: Counter[str]
    kernels: Counter[str]


@cache
def load() -> Any:
    """cupy, on the emulated device. Before anything else imports cupy; a process stays with what it has imported."""
    if "cupy" in sys.modules:
        raise RuntimeError("cupy is imported already; the emulated device has to be loaded before it.")
    sys.path.insert(0, str(cupy_build.site()))
    library = driver()
    os.environ["CUPY_EMULATED_DRIVER"] = str(library)
    os.environ["CUPY_CACHE_DIR"] = str(folder() / f"cupy-{version()}")
    os.environ.setdefault("CUPY_ACCELERATORS", "")  # CUB is no part of a stub build
    loaded = _driver_library()
    _answer_compiler(loaded)
    _answer_pathfinder(loaded, library)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cupy
    return cupy


def set_order(seed: int) -> None:
    """The thread order of the kernels from now on (engine.h)."""
    _driver_library().emu_set_order(ctypes.c_uint64(seed))


def totals() -> tuple[Counter[str], Counter[str]]:
    """Everything asked so far: calls by kind, launches by kernel."""
    library = _driver_library()
    calls = library.emu_counters().contents
    launched = (line.split() for line in library.emu_launched().decode().splitlines())
    return Counter({n: getattr(calls, n) for n in NAMES}), Counter({k: int(n) for k, n in launched})


@contextmanager
def asked() -> Iterator[Asked]:
    """What the block asks of the device; filled when the block ends."""
    found, before = Asked(Counter(), Counter()), totals()
    yield found
    after = totals()
    found.calls, found.kernels = after[0] - before[0], after[1] - before[1]


def driver() -> Path:
    """The emulated driver as a library, with a refusal for each stub function that it does not implement."""
    code = [path.read_text("utf-8") for path in (*DRIVER, HERE / "driver" / "driver.h")]
    out = folder() / f"driver-{digest(*code, version(), str(cupy_build.site()))}.so"
    if out.exists():
        return out
    flags = [*BASE, "-shared", "-ldl"]
    plain = compile_to(out.with_suffix(".plain.so"), DRIVER, flags)
    refusals = out.with_suffix(f".{os.getpid()}.cpp")
    refusals.write_text(_refusals(sorted(_stubs() - _exported(plain))))
    return compile_to(out, [*DRIVER, refusals], flags)


def _refusals(names: list[str]) -> str:
    text = '#include <cstdio>\n#include <cstdlib>\nextern "C" void emu_note(const char*);\n'
    for i, name in enumerate(names):
        if name.startswith("_Z"):  # C++ (thrust, CUB): no status that could say so
            body = f'fprintf(stderr, "not emulated: {name}\\n"); abort();'
        else:
            body = f'emu_note("not emulated: {name}"); return 801;'
        text += f'extern "C" int refusal{i}(...) asm("{name}");\nint refusal{i}(...) {{ {body} }}\n'
    return text


def _stubs() -> set[str]:
    """What CuPy's extension modules export beside themselves: the stubs."""
    found: set[str] = set()
    for part in ("cupy", "cupyx", "cupy_backends"):
        for library in (cupy_build.site() / part).rglob("*.so"):
            found |= {name for name in _exported(library) if not name.startswith(OURS)}
    return found - {"_malloc", "_free", "_calloc", "_realloc"}


def _exported(library: Path) -> set[str]:
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True
    )
    words = (line.split() for line in listed.stdout.splitlines())
    return {w[2] for w in words if w[1] == "T"}


@cache
def _driver_library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(driver()), mode=ctypes.RTLD_GLOBAL)  # global: it goes before the stubs
    library.emu_counters.restype = ctypes.POINTER(_Counters)
    library.emu_launched.restype = ctypes.c_char_p
    return library


def _answer_compiler(library: ctypes.CDLL) -> None:
    """NVRTC's compilations end here."""

    def put(where: int, text: str, capacity: int) -> None:
        data = text.encode()[: capacity - 1] + b"\0"
        ctypes.memmove(where, data, len(data))

    def compile_text(source: bytes, options: bytes, path: int, log: int, capacity: int) -> int:
        try:
            built, names = build(source.decode(), _relevant(options.decode().split("\n")))
        except Exception as error:  # an exception cannot pass through C
            put(path, "", 4096)
            put(log, str(error), capacity)
            return 6
        if any(name.startswith("cupy_") for name in names):  # CuPy's own kernels let threads leave early
            ctypes.c_int.in_dll(built, "emu_tolerant").value = 1
        put(path, built._name, 4096)
        put(log, "", capacity)
        return 0

    kind = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int
    )
    library.kept = kind(compile_text)  # C keeps the pointer: it must live as long
    library.emu_set_compiler(library.kept)


def _relevant(options: list[str]) -> list[str]:
    """Of CuPy's options what a CPU compiler knows; -arch and the folders of a CUDA toolkit are not."""
    return [o for o in options if o.startswith(("-D", "-I", "-U")) and "/local/cuda" not in o]


def _answer_pathfinder(library: ctypes.CDLL, path: Path) -> None:
    """CuPy looks for NVIDIA's libraries before it calls them; what it is to find is the driver."""
    import cuda.pathfinder as pathfinder

    found = types.SimpleNamespace(_handle_uint=library._handle, abs_path=str(path))
    pathfinder.load_nvidia_dynamic_lib = lambda name: found
    # a folder that no compiler is told of (_relevant); pathfinder would start a process to look for a toolkit
    pathfinder.find_nvidia_header_directory = lambda name: "/usr/local/cuda/include"
