"""Readers of the formats people have, augmentation, the embedded digits."""

assert __name__ == "bionas_cupy.data", "write: import bionas_cupy.data"
