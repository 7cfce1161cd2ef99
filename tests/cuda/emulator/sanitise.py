"""Kernels under a sanitiser: python tests/cuda/emulator/sanitise.py address|thread examples STEM...

A sanitiser's runtime has to be in a process from its start: `in_child` starts one for it. ASan and UBSan see reads
and writes beyond an array, a stack or a block's shared memory, and undefined arithmetic; TSan sees two threads
that touch the same place without a barrier or an atomic between them, also where the result is right.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUNTIMES = {"address": "libasan.so", "thread": "libtsan.so"}
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
    "TSAN_OPTIONS": "exitcode=66:report_signal_unsafe=0:ignore_noninstrumented_modules=1",
    "PYTHONMALLOC": "malloc",  # an allocation a NumPy array, so that its ends are seen
    "OPENBLAS_NUM_THREADS": "1",
}


def in_child(sanitiser: str, *arguments: str, timeout: float = 600) -> tuple[int, str]:
    """Exit status and output of this script in a process that the sanitiser watches."""
    compiler = os.environ.get("CXX", "g++")
    asked = [compiler, f"-print-file-name={RUNTIMES[sanitiser]}"]
    runtime = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    paths = os.pathsep.join(p for p in sys.path if p)
    environment = os.environ | OPTIONS | {"LD_PRELOAD": runtime, "PYTHONPATH": paths}
    command = [*_same_addresses(), sys.executable, __file__, sanitiser, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stdout + done.stderr


def _same_addresses() -> list[str]:
    """TSan's older runtimes cannot start where the kernel places memory too randomly."""
    command = ["setarch", platform.machine(), "-R"]
    if shutil.which("setarch") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
        return command
    return []


def main(sanitiser: str, what: str, *names: str) -> None:
    """The example calls of some texts, or a planted fault; a finding ends the process."""
    sys.path.insert(0, str(HERE.parent))
    from example_calls import calls_of

    from emulator import planted
    from emulator.compare import compare
    from emulator.host import Host

    if what == "planted":
        planted.run(sanitiser, *names)
        print("clean", flush=True)
        return
    for stem in names:
        for call in calls_of(stem):
            compare(stem, call, Host(seed=2, sanitiser=sanitiser))
        print(f"{stem}: clean", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
