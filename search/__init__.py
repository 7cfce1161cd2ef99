"""Spaces, genotypes, supernets, search strategies, retraining."""

assert __name__ == "bionas_cupy.search", "write: import bionas_cupy.search"
