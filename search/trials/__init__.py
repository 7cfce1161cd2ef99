"""Candidates that are trained: what they are, how they are scored, and who trains them."""

assert __name__ == "bionas_cupy.search.trials", "write: import bionas_cupy.search.trials"
