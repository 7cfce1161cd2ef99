// Σ g and Σ g·(x − mean) of every channel and lane, in two launches: each warp leaves the sums of a strip of one
// plane, sum_pairs adds them up, in order. A strip is so short that float holds its sums; the rest is in double.

#include "warp.cuh"

// parts (N, strips, RC, 2); sum and paired: of this thread's share of the strip blockIdx.y of plane (n, rc)
__device__ __forceinline__ void store_pair(double* parts, float sum, float paired, int plane, int RC)
{
    sum = warp_sum(sum);
    paired = warp_sum(paired);
    if (threadIdx.x > 0) return;
    double* to = parts + (((long long)(plane / RC) * gridDim.y + blockIdx.y) * RC + plane % RC) * 2;
    to[0] = sum;
    to[1] = paired;
}

// sums, products (RC) from `count` parts each
extern "C" __global__ void sum_pairs(float* sums, float* products, const double* parts, int count, int RC)
{
    const int rc = blockIdx.x * blockDim.x + threadIdx.x;
    if (rc >= RC) return;
    double sum = 0, product = 0;
    for (int i = 0; i < count; ++i) {
        sum += parts[2 * ((long long)i * RC + rc)];
        product += parts[2 * ((long long)i * RC + rc) + 1];
    }
    sums[rc] = (float)sum;
    products[rc] = (float)product;
}
