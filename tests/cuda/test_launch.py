"""The launcher refuses what CUDA and CuPy let pass; signatures are read as compilers read them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.engine.cuda.count import counted
from bionas_cupy.engine.cuda.launch import Kernel, LaunchError, blocks, kernels, whole_warps
from bionas_cupy.engine.cuda.runtime import running_on
from bionas_cupy.engine.cuda.signature import signatures
from bionas_cupy.engine.cuda.source import assemble

TEXT = """
// __global__ void not_this(int n)
__device__ float helper(float x) { return x; }
extern "C" __global__ void __launch_bounds__(128, 2) scale(float* __restrict__ y, const float *x, int N,
    float s /* , int commented */, unsigned long long key, const unsigned char* mask, bool flip) {}
extern "C" __global__ void nothing() {}
"""


class Recorder:
    """A runtime that runs nothing and remembers what it would have run."""

    arrays: type = np.ndarray

    def __init__(self) -> None:
        self.launched: list[Any] = []

    def device(self) -> int:
        return 0

    def place(self, array: Any) -> tuple[int, int]:
        return array.ctypes.data, 0

    def launch(self, *launched: Any) -> None:
        self.launched.append(launched)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    with running_on(recorder):
        yield recorder


SCALE = Kernel("test", signatures(TEXT)["scale"])
x = np.zeros(6, np.float32)
mask = np.zeros(6, np.uint8)
GOOD = (x, x, 6, 2, 2**64 - 1, mask, True)


def test_signatures() -> None:
    found = signatures(TEXT)
    assert list(found) == ["scale", "nothing"]
    assert found["nothing"].parameters == ()
    assert found["scale"].threads == 128
    listed = [(p.name, p.dtype.str[1:], p.pointer, p.const) for p in found["scale"].parameters]
    assert listed == [
        ("y", "f4", True, False),
        ("x", "f4", True, True),
        ("N", "i4", False, False),
        ("s", "f4", False, False),
        ("key", "u8", False, False),
        ("mask", "u1", True, True),
        ("flip", "b1", False, False),
    ]
    for unknown in ("half* x", "float** x", "struct Shape s"):
        with pytest.raises(ValueError, match="is of no known type"):
            signatures(f"__global__ void k({unknown}) {{}}")


def test_numbers_become_what_the_kernel_reads(recorder: Recorder) -> None:
    SCALE(2, (3, 4), *GOOD)
    stem, name, grid, block, values, shared = recorder.launched[0]
    assert (stem, name, grid, block, shared) == ("test", "scale", (2, 1, 1), (3, 4, 1), 0)
    assert [type(v) for v in values[2:5]] == [np.int32, np.float32, np.uint64]
    assert [v.item() for v in values[2:5]] == [6, 2.0, 2**64 - 1]
    assert type(values[6]) is np.bool_


def changed(index: int, value: Any) -> tuple[Any, ...]:
    return (*GOOD[:index], value, *GOOD[index + 1 :])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (GOOD[:-1], r"got 6 arguments, expected 7 \(y, x, N"),
        ((*GOOD, 1), "got 8 arguments"),
        (changed(0, [0.0]), 'got builtins.list, expected numpy.ndarray for array "y" of float32'),
        (changed(0, x.astype(np.float64)), 'got an array of float64, expected array "y" of float32'),
        (
            changed(1, np.zeros((6, 2), np.float32)[:, 0]),
            r"got strides \(8,\) at shape \(6,\), expected C-con",
        ),
        (changed(1, np.zeros(0, np.float32)), r"got an empty array of shape \(0,\)"),
        (changed(2, 6.0), 'got builtins.float, expected number "N" of int32'),
        (changed(2, 2**31), "got 2147483648, expected .* to 2147483647"),
        (changed(2, True), "got True"),
        (changed(4, -1), 'got -1, expected number "key" of uint64, from 0'),
        (changed(3, np.zeros((), np.float32)), 'got numpy.ndarray, expected number "s"'),
        (changed(6, 1), 'got builtins.int, expected number "flip"'),
    ],
)
def test_wrong_arguments_are_refused(recorder: Recorder, arguments: Any, said: str) -> None:
    with pytest.raises(LaunchError, match=f"^kernel test.scale: {said}"):
        SCALE(1, 1, *arguments)
    assert not recorder.launched


@pytest.mark.parametrize(
    ("grid", "block", "shared", "said"),
    [
        (0, 1, 0, r"got grid \(0, 1, 1\), expected at least one block"),
        ((1, 65536), 1, 0, r"got grid \(1, 65536, 1\), expected at most"),
        (2**31, 1, 0, "got grid"),
        (1, 0, 0, r"got block \(0, 1, 1\)"),
        (1, (1, 1, 65), 0, r"got block \(1, 1, 65\)"),
        (1, (16, 9), 0, r"got block \(16, 9, 1\), expected at most 128 threads"),
        (1, 1, 48 * 1024 + 1, "got 49153 bytes of shared memory"),
    ],
)
def test_wrong_sizes_are_refused(recorder: Recorder, grid: Any, block: Any, shared: int, said: str) -> None:
    with pytest.raises(LaunchError, match=said):
        SCALE(grid, block, *GOOD, shared=shared)
    assert not recorder.launched


def test_another_device_is_refused(recorder: Recorder) -> None:
    recorder.place = lambda array: (array.ctypes.data, 1)  # type: ignore[method-assign]
    with pytest.raises(LaunchError, match=r"an array on device 1, expected .* current device 0"):
        SCALE(1, 1, *GOOD)


def test_kernels_by_name() -> None:
    found = kernels("channel")
    assert found is kernels("channel")
    assert found.moments.name == "channel.moments"
    with pytest.raises(AttributeError, match=r"channel\.cu has no kernel moment; it has "):
        _ = found.moment
    with pytest.raises(FileNotFoundError):
        kernels("nonsense")
    assert (blocks(1), blocks(256), blocks(257), blocks(5, 2)) == (1, 1, 2, 3)
    assert [whole_warps(n) for n in (1, 32, 33, 256, 10_000)] == [32, 32, 64, 256, 256]


def test_launches_are_counted(recorder: Recorder) -> None:
    with counted() as outer:
        SCALE(1, 1, *GOOD)
        with counted() as inner:
            SCALE(1, 1, *GOOD)
            with pytest.raises(LaunchError):
                SCALE(1, 1)
    SCALE(1, 1, *GOOD)
    assert dict(outer) == {"test.scale": 2}
    assert outer.bytes == 2 * (2 * x.nbytes + mask.nbytes)
    assert dict(inner) == {"test.scale": 1}


def test_includes_keep_lines(tmp_path: Path) -> None:
    (tmp_path / "a.cu").write_text('// a\n#include "b.cuh"\n#include "b.cuh"\nint last;\n')
    (tmp_path / "b.cuh").write_text('#include "c.cuh"\nint b;\n')
    (tmp_path / "c.cuh").write_text("int c;\n")
    expected = '#line 1 "a.cu"\n// a\n#line 1 "b.cuh"\n#line 1 "c.cuh"\nint c;\n#line 2 "b.cuh"\nint b;\n'
    assert assemble(tmp_path / "a.cu") == expected + '#line 3 "a.cu"\n\nint last;\n'
