"""Texts that are right, or hold one fault that a sanitiser has to find."""

from typing import Any

import numpy as np
from bionas_cupy.engine.cuda.launch import Kernel
from bionas_cupy.engine.cuda.runtime import running_on
from bionas_cupy.engine.cuda.signature import signatures

from .host import Host

SCALE = """
extern "C" __global__ void k(float* y, const float* x, int N)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i FAULT N) y[i] = 2.f * x[i];
}"""
REVERSE = """
extern "C" __global__ void k(float* y, const float* x, int N)
{
    __shared__ float tile[64];
    tile[threadIdx.xFAULT] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x];
}"""
NEIGHBOUR = """
extern "C" __global__ void k(float* y, const float* x, int N)
{
    __shared__ float tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    FAULT
    y[threadIdx.x] = tile[(threadIdx.x + 1) % 64];
}"""
AGAIN = """
extern "C" __global__ void k(float* y, const float* x, int N)
{
    __shared__ float one;
    for (int i = 0; i < 2; ++i) {
        if (threadIdx.x == 0) one = x[i];
        __syncthreads();
        y[threadIdx.x] = one;
        FAULT
    }
}"""
TOTAL = """
extern "C" __global__ void k(float* y, const float* x, int N)
{
    __shared__ float sum;
    if (threadIdx.x == 0) sum = 0.f;
    __syncthreads();
    FAULT;
    __syncthreads();
    y[threadIdx.x] = sum;
}"""
SHIFT = """
extern "C" __global__ void k(float* y, const float* x, int N)
{
    y[threadIdx.x] = x[threadIdx.x] + (float)(1 << (NFAULT));
}"""

TEXTS = {  # (sanitiser, text, what stands in the place of FAULT when it is right, when it is wrong, what is said)
    "beyond an array": ("address", SCALE, "<", "<=", "heap-buffer-overflow"),
    "beyond shared memory": ("address", REVERSE, "", " + N - 62", "out of bounds"),
    "an undefined shift": ("address", SHIFT, " - 60", " - 20", "shift exponent"),
    "a missing barrier": ("thread", NEIGHBOUR, "__syncthreads();", "", "data race"),
    "memory used again too early": ("thread", AGAIN, "__syncthreads();", "", "data race"),
    "a missing atomic": (
        "thread",
        TOTAL,
        "atomicAdd(&sum, x[threadIdx.x])",
        "sum += x[threadIdx.x]",
        "data race",
    ),
}


def run(sanitiser: str, name: str, version: str) -> None:
    """One launch of a text, "right" or "wrong"."""
    _, text, right, wrong, _ = TEXTS[name]
    code = text.replace("FAULT", right if version == "right" else wrong)
    y: Any = np.zeros(64, np.float32)
    with running_on(Host(seed=2, sanitiser=sanitiser, texts={"planted": code})):
        launch = Kernel("planted", signatures(code)["k"])
        launch(2 if "blockIdx" in code else 1, 64, y, np.ones(64, np.float32), 64)
