"""Kernels: one operation a file, the NumPy reference beside its compiled CPU twin."""

assert __name__ == "bionas_cupy.engine.kernels", "write: import bionas_cupy.engine.kernels"
