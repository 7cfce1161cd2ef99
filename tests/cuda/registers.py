"""Every kernel text compiled for every architecture, without a GPU: NVRTC as CuPy calls it, then ptxas.

python tests/cuda/registers.py            compare with registers.json, and print what changed
python tests/cuda/registers.py --update   write registers.json

The table holds, by architecture and kernel, [registers a thread, bytes of static shared memory]. Spills are never
allowed: a kernel that spills is to be rewritten.
"""

import ctypes
import json
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from bionas_cupy.engine.cuda.runtime import OPTIONS
from bionas_cupy.engine.cuda.source import stems, text

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
CUPY_ADDS = ("-ftz=true", "--device-as-default-execution-space")  # CuPy 14
TABLE = Path(__file__).with_name("registers.json")
NVRTC = "nvidia-cuda-nvrtc==13.0.*"  # no newer than the ptxas that reads its PTX

Table = dict[str, dict[str, list[int]]]

_ENTRY = re.compile(r"Compiling entry function '(\w+)' for[^\n]*\n(.*?)(?=ptxas info\s*: Compiling|\Z)", re.S)


class Use(NamedTuple):
    """What one kernel takes on one architecture."""

    registers: int
    shared: int
    spilled: int


def missing() -> str:
    """Why nothing can be compiled here, or ""."""
    if shutil.which("ptxas") is None:
        return "no ptxas on PATH: it comes with the CUDA toolkit"
    if _library() is None:
        return f"no NVRTC: pip install '{NVRTC}'"
    return ""


def use(code: str, architecture: int) -> dict[str, Use]:
    """What ptxas says of every kernel of a text. Raises RuntimeError with the compiler's words."""
    with tempfile.TemporaryDirectory() as folder:
        ptx = Path(folder, "kernel.ptx")
        ptx.write_bytes(to_ptx(code, architecture))
        command = ["ptxas", "-v", f"-arch=sm_{architecture}", str(ptx), "-o", f"{folder}/kernel.cubin"]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"sm_{architecture}: {done.stderr}")
    return {name: Use(*_numbers(said)) for name, said in _ENTRY.findall(done.stderr)}


def _numbers(said: str) -> tuple[int, int, int]:
    patterns = (r"Used (\d+) registers", r"(\d+) bytes smem", r"(\d+) bytes spill (?:stores|loads)")
    registers, shared, spilled = (sum(map(int, re.findall(p, said))) for p in patterns)
    return registers, shared, spilled


def to_ptx(code: str, architecture: int) -> bytes:
    """NVRTC with the options of the launcher and those that CuPy adds."""
    nvrtc = _library()
    assert nvrtc is not None, missing()
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    given = [f"-arch=compute_{architecture}", *OPTIONS, *CUPY_ADDS]
    options = (ctypes.c_char_p * len(given))(*(o.encode() for o in given))
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernel.cu", 0, None, None)
    try:
        if nvrtc.nvrtcCompileProgram(program, len(given), options):
            nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
            log = ctypes.create_string_buffer(size.value)
            nvrtc.nvrtcGetProgramLog(program, log)
            raise RuntimeError(f"sm_{architecture}: {log.value.decode()}")
        nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
        ptx = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetPTX(program, ptx)
        return ptx.value
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


@cache
def _library() -> ctypes.CDLL | None:
    """NVRTC of the wheel, or of an installed toolkit."""
    spec = find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder).rglob("libnvrtc.so.1[0-9]")):
            for builtins in path.parent.glob("libnvrtc-builtins.so.*"):
                ctypes.CDLL(str(builtins))  # NVRTC opens it by its name: found where it is loaded already
            return ctypes.CDLL(str(path))
    try:
        return ctypes.CDLL("libnvrtc.so.13")
    except OSError:
        return None


def stored() -> Table:
    table: Table = json.loads(TABLE.read_text("utf-8"))
    return table


def measured(stem: str) -> tuple[Table, list[str]]:
    """The table's part of one text, and the kernels that spill."""
    table: Table = {}
    spilling = []
    for architecture in ARCHITECTURES:
        for name, found in use(text(stem), architecture).items():
            table.setdefault(f"sm_{architecture}", {})[f"{stem}.{name}"] = [found.registers, found.shared]
            if found.spilled:
                spilling.append(f"{stem}.{name} on sm_{architecture}: {found.spilled} bytes")
    return table, spilling


def changes(new: Table, old: Table) -> list[str]:
    """What is not as stored: "sm_90 conv.push: 40 registers, 512 B shared; stored 38, 512"."""
    return [
        f"{arch} {name}: {now[0]} registers, {now[1]} B shared; stored {old.get(arch, {}).get(name, 'nothing')}"
        for arch, kernels in new.items()
        for name, now in kernels.items()
        if now != old.get(arch, {}).get(name)
    ]


def main() -> int:
    if missing():
        print(f"skipped: {missing()}")
        return 0
    whole: Table = {}
    spilling: list[str] = []
    for stem in stems():
        table, spilled = measured(stem)
        spilling += spilled
        for arch, kernels in table.items():
            whole.setdefault(arch, {}).update(kernels)
    print(*(changes(whole, stored() if TABLE.exists() else {}) or ["nothing has changed"]), sep="\n")
    if "--update" in sys.argv:
        rows = (
            f'"{a}": {{\n' + ",\n".join(f'"{k}": {v}' for k, v in ks.items()) + "\n}"
            for a, ks in whole.items()
        )
        TABLE.write_text("{\n" + ",\n".join(rows) + "\n}\n", "utf-8")
    if spilling:
        print(*(f"SPILLS: {line}" for line in spilling), sep="\n")
    return bool(spilling)


if __name__ == "__main__":
    sys.exit(main())
