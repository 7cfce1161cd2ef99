"""Rules that transport the error, by their specifications."""

from bionas_cupy.engine.registry import registered

TRANSPORT = [name for name, kind in registered().items() if kind.family == "transport"]
SPECS = [*TRANSPORT, "qsf2", "qsf3", "usf(scale=1)", "power(p=0.25)", "power(p=0;q=1)"]
