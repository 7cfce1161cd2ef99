"""Searches over candidates: each asks for specifications, and is told their scores."""

assert __name__ == "bionas_cupy.search.strategies", "write: import bionas_cupy.search.strategies"
