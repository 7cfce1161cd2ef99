"""The command line: one thin file a command."""

assert __name__ == "bionas_cupy.cli", "write: import bionas_cupy.cli"
