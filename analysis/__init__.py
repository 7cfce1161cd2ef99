"""What a run was told, and whether to believe it: measures, courses over training, pictures, ledgers."""

assert __name__ == "bionas_cupy.analysis", "write: import bionas_cupy.analysis"
