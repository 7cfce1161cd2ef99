// Feedback weights that share W's signs: what the sign-concordant rules send errors through.
//
//     signs         B = s · sign(W)
//     random_signs  B = |R| ∘ sign(W)
//     quantised     B = s/√(L²/3 - 1/12) · (j + ½) ∘ sign(W),   j = min(⌊L·|W| / (√3 rms(W))⌋, L - 1)
//
// sign(0) = 0, and NaN stays NaN. A thread makes one weight.

#include "squares.cuh"

__device__ float sign(float w) { return w > 0.f ? 1.f : w < 0.f ? -1.f : w; }

extern "C" __global__ void signs(float* B, const float* W, float s, long long size)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < size) B[i] = s * sign(W[i]);
}

extern "C" __global__ void random_signs(float* B, const float* W, const float* R, long long size)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < size) B[i] = fabsf(R[i]) * sign(W[i]);
}

// after sum_squares(parts, W, size); bin = √3/L, unit = s/√(L²/3 − 1/12); block: whole warps
extern "C" __global__ void quantised(float* B, const float* W, const double* parts, int count, float bin, float unit,
                                     int levels, long long size)
{
    __shared__ double buffer[32];
    const float rms = (float)sqrt(sum_parts(parts, count, buffer) / size);
    const float width = fmaxf(bin * rms, 1.17549435e-38f);
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < size) B[i] = unit * (fminf(floorf(fabsf(W[i]) / width), levels - 1) + 0.5f) * sign(W[i]);
}
