"""The learning rules, one short file a rule."""

assert __name__ == "bionas_cupy.engine.rules", "write: import bionas_cupy.engine.rules"
