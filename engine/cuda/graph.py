"""What a function asks of the device, recorded as a CUDA graph and launched again and again.

A launch of the graph repeats every kernel on the same addresses, so the function reads its inputs from arrays that
stay, and its memory comes from a pool of its own, which no other array can be given. It must ask nothing of the
host: no copy from there, no waiting, no allocation that its run before did not make.

    graph = Graph(step)
    while not graph.settled:
        graph.run()     # as it is: compiles kernels, draws what stays, fills the pool
    graph.record()      # runs nothing
    graph.launch()
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..backend import cupy_module


class Graph:
    """`function` on a stream of its own, which waits for the default stream and is waited for by it."""

    def __init__(self, function: Callable[[], None]) -> None:
        cupy = cupy_module()
        self._function, self._stream = function, cupy.cuda.Stream()
        self._pool, self._graph = cupy.cuda.MemoryPool(), None
        self.settled = False  # whether the last run found all its memory in the pool

    @contextmanager
    def _place(self) -> Iterator[Any]:
        """Every run begins with the same free memory, and none is freed by a chance collection of garbage within:
        what one run found in the pool, the next one finds."""
        gc.collect()
        collects = gc.isenabled()
        gc.disable()
        try:
            with cupy_module().cuda.using_allocator(self._pool.malloc), self._stream:
                yield self._stream
        finally:
            if collects:
                gc.enable()

    def run(self) -> None:
        """The function, without a graph.

        After the first run the pool gets half its size again in one piece: of free blocks of one size CuPy takes any,
        so that the same requests leave other gaps, and nothing can be allocated while a graph is captured.
        """
        before = self._pool.total_bytes()
        with self._place():
            self._function()
            if not before:
                self._pool.malloc(self._pool.total_bytes() // 2)  # free again at once
        self.settled = 0 < before == self._pool.total_bytes()

    def record(self) -> None:
        """Raises CuPy's error where the function does what a graph cannot."""
        with self._place() as stream:
            stream.begin_capture()
            try:
                self._function()
            finally:
                self._graph = stream.end_capture()

    def launch(self) -> None:
        """What was recorded."""
        if self._graph is None:
            raise RuntimeError("nothing is recorded: record() comes before launch().")
        self._graph.launch(self._stream)
