"""Numbers and learning: back end, kernels, rules, optimisers. Knows no architecture."""

assert __name__ == "bionas_cupy.engine", "write: import bionas_cupy.engine"
