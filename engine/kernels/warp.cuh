// Sums and maxima over the 32 threads of a warp, in one fixed order; every thread gets the result.

__device__ __forceinline__ float warp_sum(float v)
{
    for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(0xffffffffu, v, d);
    return v;
}

__device__ __forceinline__ float warp_max(float v)   // NaN where any is NaN
{
    for (int d = 16; d > 0; d /= 2) {
        const float other = __shfl_xor_sync(0xffffffffu, v, d);
        v = other > v || isnan(other) ? other : v;
    }
    return v;
}
