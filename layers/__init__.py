"""Layers and networks, each forward beside its backward."""

assert __name__ == "bionas_cupy.layers", "write: import bionas_cupy.layers"
