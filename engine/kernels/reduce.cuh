// Sums over the threads of a block.

// Every thread gets the sum of all; blockDim.x is a multiple of 32, `buffer` holds 32 numbers in shared memory.
__device__ double block_sum(double v, double* buffer)
{
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    for (int d = 16; d > 0; d >>= 1) v += __shfl_down_sync(0xffffffffu, v, d);
    if (lane == 0) buffer[warp] = v;
    __syncthreads();
    v = 0;
    for (int w = 0; w < (int)(blockDim.x >> 5); ++w) v += buffer[w];
    __syncthreads();   // nobody writes the next sum's parts before all have read these
    return v;
}
