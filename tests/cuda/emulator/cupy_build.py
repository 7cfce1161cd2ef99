"""Builds CuPy for the emulated CUDA runtime, once a machine: python tests/cuda/emulator/cupy_build.py

CuPy's own stub build (CUPY_INSTALL_USE_STUB=1, which it makes for its documentation) is CuPy whole, with empty
functions in the place of NVIDIA's libraries. Three edits let driver.cpp take the place of the driver and of NVRTC.
The result lies in the user's cache, by version, and is no part of any environment: tests put it on their path.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from emulator.cache import cache_folder, digest

VERSION = "14.2.0"
BUILD_NEEDS = ("setuptools>=77", "wheel", "Cython>=3.2,<3.3", "numpy>=2,<2.6")
NEEDS = ("cuda-pathfinder",)  # of CuPy when it runs, beside NumPy
FLAGS = "-O1 -g0"  # half of the time goes into optimising and debugging what the tests do not measure

EDITS = (  # file, text, its replacement
    (  # a stub build has no driver and no NVRTC to open
        "cupy_backends/cuda/_softlink.pyx",
        "        self._cdll = None\n",
        "        self._cdll = None\n"
        "        if libname is None and handle == 0:\n"
        "            libname = os.environ.get('CUPY_EMULATED_DRIVER')\n",
    ),
    (  # host memory is never reported as pinned
        "cupy_backends/cuda/api/runtime.pyx",
        "        raise ValueError('Fetching memory unsupported.')",
        "        return 0",
    ),
    (  # the emulated device
        "cupy_backends/cuda/api/runtime.pyx",
        "    cdef dict properties = {'name': b'UNAVAILABLE'}  # for RTD\n",
        "    cdef dict properties = {'name': b'UNAVAILABLE'}  # for RTD\n"
        "    IF CUPY_CUDA_VERSION == 0 and CUPY_HIP_VERSION == 0:\n"
        "        return {'name': b'CPU emulation', 'warpSize': 32, 'maxThreadsPerBlock': 1024,\n"
        "                'major': 8, 'minor': 0, 'maxThreadsDim': (1024, 1024, 64),\n"
        "                'maxGridSize': (2147483647, 65535, 65535), 'multiProcessorCount': 4,\n"
        "                'sharedMemPerBlock': 49152, 'totalGlobalMem': 4 << 30}\n",
    ),
)


def site() -> Path:
    """The folder that holds the built CuPy, or is to hold it."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    key = digest(repr(EDITS), FLAGS, *BUILD_NEEDS, *NEEDS)[:8]
    return cache_folder() / f"cupy-{VERSION}-{python}-{key}"


def missing() -> str:
    """Why there is no built CuPy, or ""."""
    if site().is_dir():
        return ""
    return f"no CuPy {VERSION} for the emulated runtime: python tests/cuda/emulator/cupy_build.py builds it, once"


def main() -> None:
    if not site().is_dir():
        with tempfile.TemporaryDirectory() as work:
            build(Path(work))
    print(site())


def build(work: Path) -> None:
    """Source, edits, wheel, and a folder that appears whole or not at all."""
    run(sys.executable, "-m", "venv", str(work / "venv"))
    python = str(work / "venv" / "bin" / "python")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "-q")
    run(*pip, "install", *BUILD_NEEDS)
    source = ("--no-deps", "--no-binary", "cupy", "--no-build-isolation")
    run(*pip, "download", *source, "-d", str(work), f"cupy=={VERSION}")
    with tarfile.open(work / f"cupy-{VERSION}.tar.gz") as archive:
        archive.extractall(work, filter="data")
    edit(work / f"cupy-{VERSION}")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(work), str(work / f"cupy-{VERSION}"))
    wheel = next(work.glob("cupy-*.whl"))
    unfinished = site().with_name(f"{site().name}.{os.getpid()}.part")
    run(*pip, "install", "--no-deps", "--target", str(unfinished), str(wheel), *NEEDS)
    try:
        unfinished.rename(site())
    except OSError:  # another process was quicker
        shutil.rmtree(unfinished)


def edit(tree: Path) -> None:
    for name, old, new in EDITS:
        path = tree / name
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            raise SystemExit(
                f"{name} of CuPy {VERSION} does not read as expected; its edit has to be looked at."
            )
        path.write_text(text.replace(old, new), "utf-8")


def run(*command: str) -> None:
    scripts = str(Path(command[0]).parent)
    environment = os.environ | {
        "CUPY_INSTALL_USE_STUB": "1",
        "CUPY_NUM_BUILD_JOBS": os.environ.get("CUPY_NUM_BUILD_JOBS") or str(os.cpu_count() or 1),
        "CFLAGS": FLAGS,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",  # Cython, of the environment that is built in
    }
    subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    main()
