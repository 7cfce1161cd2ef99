// A sum of squares in two launches: sum_squares leaves a part a block, sum_parts adds the parts, in order.

#include "reduce.cuh"

// parts (gridDim.x); block: whole warps. In double: 3 million small squares would lose digits in float
extern "C" __global__ void sum_squares(double* parts, const float* x, long long size)
{
    __shared__ double buffer[32];
    double sum = 0;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += (long long)gridDim.x * blockDim.x)
        sum += (double)x[i] * x[i];
    sum = block_sum(sum, buffer);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// every thread of a block gets the sum of all parts
__device__ double sum_parts(const double* parts, int count, double* buffer)
{
    double sum = 0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) sum += parts[i];
    return block_sum(sum, buffer);
}
