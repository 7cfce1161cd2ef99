"""What is timed of this package: one module a kind of step, its `build` taking the row's settings."""
