"""Timed pairs: a step by this package and by a peer, in turns, each in a process of its own (docs/benchmarks.md)."""

assert __name__ == "bionas_cupy.benchmarks", "write: import bionas_cupy.benchmarks"
