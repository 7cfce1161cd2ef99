"""The CUDA back end's own machinery: a strict launcher of the kernel texts in engine/kernels/*.cu."""

assert __name__ == "bionas_cupy.engine.cuda", "write: import bionas_cupy.engine.cuda"
