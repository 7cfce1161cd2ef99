"""CUDA kernels on the CPU: what the tests without a GPU stand on (docs/proof.md)."""
