"""Compiles CUDA C text for this machine: cuda.h in front, g++, a shared library, kept in a cache by content."""

import ctypes
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bionas_cupy.engine.cuda.signature import without_comments

from .cache import cache_folder, digest

HERE = Path(__file__).resolve().parent
COMPILER = os.environ.get("CXX", "g++")
ENGINE = ("engine.cpp", "fibers.cpp", "shared.cpp")
HEADERS = ("cuda.h", "entry.h", "engine.h", "fibers.h", "shared.h")
BASE = ("-std=c++17", "-O2", "-g", "-fPIC", "-w", "-fno-gnu-unique", f"-I{HERE}")
SANITISERS = {  # flags of a kernel, flags of the engine (which is never instrumented)
    "": ((), ()),
    "address": (("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"), ("-DEMU_ASAN",)),
    "thread": (("-fsanitize=thread",), ("-DEMU_TSAN",)),
}

_WAITS = re.compile(r"__syncthreads|__syncwarp|_sync\s*\(")
_NAMES = re.compile(
    r"__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)"
)
_DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s*)?([\w ]+?)\s+(\w+)\s*\[\s*\]\s*;")
_SHARED = re.compile(r"__shared__\s+([\w ]+?)\s+(\w+)\s*((?:\[[^\]]+\]\s*)*);")


class CompileError(RuntimeError):
    """The compiler's words, or what of a text this emulator does not read."""


def folder() -> Path:
    """Of libraries and objects."""
    found = cache_folder() / "emulator"
    found.mkdir(exist_ok=True)
    return found


def compiler_missing() -> str:
    """Why nothing can be compiled here, or ""."""
    return "" if shutil.which(COMPILER) else f"no C++ compiler ({COMPILER}); install g++ or set CXX"


@cache
def version() -> str:
    """Changes whenever the emulator, the compiler or the processor's kind does."""
    files = [(HERE / name).read_text("utf-8") for name in (*ENGINE, *HEADERS, "build.py")]
    compiler = subprocess.run([COMPILER, "--version"], capture_output=True, text=True, check=True).stdout
    return digest(*files, compiler, platform.machine(), *_machine_flags())


def translate(text: str) -> tuple[str, list[str]]:
    """The text for g++, and the names of its kernels. Only declarations of shared memory are rewritten."""
    names = list(dict.fromkeys(_NAMES.findall(without_comments(text))))
    body = _DYNAMIC.sub(r"\1* \2 = static_cast<\1*>(emu::dynamic_shared());", text)
    body = _SHARED.sub(r"EMU_SHARED(\1, \2, \3);", body)
    if "__shared__" in without_comments(body):
        raise CompileError("a __shared__ declaration that cannot be read: write one variable a declaration")
    exports = "".join(f"EMU_EXPORT({name})\n" for name in names)
    head = '#include "cuda.h"\n#include "entry.h"\n#line 1 "kernel.cu"\n'
    return f'{head}{body}\n#line 1 "exports"\n{exports}', names


def build(text: str, options: Sequence[str] = (), sanitiser: str = "") -> tuple[ctypes.CDLL, list[str]]:
    """The kernels of a CUDA text as a loaded library, and their names. Raises CompileError."""
    kernel_flags, engine_flags = SANITISERS[sanitiser]
    engine = [_object(name, engine_flags) for name in ENGINE]
    code, names = translate(text)
    flags = [
        *BASE,
        "-shared",
        "-Wl,-Bsymbolic",
        "-ffp-contract=fast",
        *kernel_flags,
        *_machine_flags(),
        *options,
    ]
    if sanitiser == "thread" or _WAITS.search(without_comments(text)):
        flags.append("-DEMU_FIBERS")  # without, threads are turns of a loop, in which there is no race to see
    stem = folder() / f"kernel-{digest(code, version(), *flags)}"
    source, library = stem.with_suffix(".cpp"), stem.with_suffix(".so")
    if not library.exists():
        _write(source, code)
        compile_to(library, [source, *engine], flags)
    loaded = ctypes.CDLL(str(library))
    loaded.emu_error.restype = ctypes.c_char_p
    loaded.emu_shared_used.restype = ctypes.c_size_t
    return loaded, names


def compile_to(out: Path, sources: Sequence[Path], flags: Sequence[str]) -> Path:
    """`out` appears whole or not at all, also where two processes build it."""
    if out.exists():
        return out
    unfinished = out.with_suffix(f".{os.getpid()}.part")
    command = [COMPILER, *flags, *map(str, sources), "-o", str(unfinished)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CompileError(done.stderr)
    unfinished.rename(out)
    return out


def _object(name: str, flags: Sequence[str]) -> Path:
    out = folder() / f"{name}-{digest(version(), *flags)}.o"
    return compile_to(out, [HERE / name], [*BASE, *flags, "-c"])


def _write(path: Path, text: str) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    unfinished.write_text(text, "utf-8")
    unfinished.rename(path)


@cache
def _machine_flags() -> tuple[str, ...]:
    """Fused multiply-add, which nvcc uses for a·b + c by default, and half floats."""
    listed = Path("/proc/cpuinfo")
    found = listed.read_text() if listed.exists() else ""
    return tuple(f"-m{flag}" for flag in ("fma", "f16c") if f" {flag} " in found)
