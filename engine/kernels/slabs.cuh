// A long sum in two launches: the blocks of the first add up a slab each, sum_slabs adds the slabs, in order.

// y[i] = Σ_s parts[s, i]
extern "C" __global__ void sum_slabs(float* y, const float* parts, long long size, int slabs)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    float total = 0.f;
    for (int s = 0; s < slabs; ++s) total += parts[s * size + i];
    y[i] = total;
}
