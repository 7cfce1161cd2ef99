// What batch normalisation is made of: sums over images and positions, and affine maps, per channel and lane.
//
//     mean[r, c] = ⟨x⟩    variance[r, c] = ⟨(x − mean)²⟩ (biased)      ⟨·⟩ over n and positions
//     affine     a·x + b        combine   a·g + b·x + d        relu_grad   g where y > 0
//     grad_sums  Σ g,  Σ g·(x − mean)
//
// x (N, R, C, P), P = H·W positions; rc = r·C + c numbers the planes of an image. Sums run in double, one block a
// plane, in an order that the launch alone decides: the same bits every time.

#include "reduce.cuh"

// mean, variance (RC)
extern "C" __global__ void moments(float* mean, float* variance, const float* x, int N, int RC, int P)
{
    __shared__ double buffer[32];
    const int rc = blockIdx.x;
    const double count = (double)N * P;
    double sum = 0;
    for (int n = 0; n < N; ++n)
        for (int i = threadIdx.x; i < P; i += blockDim.x) sum += x[((size_t)n * RC + rc) * P + i];
    const double centre = block_sum(sum, buffer) / count;
    double squares = 0;
    for (int n = 0; n < N; ++n)
        for (int i = threadIdx.x; i < P; i += blockDim.x) {
            const double d = x[((size_t)n * RC + rc) * P + i] - centre;
            squares += d * d;
        }
    squares = block_sum(squares, buffer);
    if (threadIdx.x == 0) {
        mean[rc] = (float)centre;
        variance[rc] = (float)(squares / count);
    }
}

// y, x (N, RC, P); a, b (RC); low is 0 for a rectified y, else −∞
extern "C" __global__ void affine(float* y, const float* x, const float* a, const float* b, float low, int total,
                                  int RC, int P)
{
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total) return;
    const int rc = i / P % RC;
    const float v = a[rc] * x[i] + b[rc];
    y[i] = v < low ? low : v;   // not fmaxf: NaN passes
}

// sums, products (RC); g (N, RC, P), or (N, C, P) where the lanes share it: C = RC where they do not
extern "C" __global__ void grad_sums(float* sums, float* products, const float* g, const float* x,
                                     const float* mean, int N, int RC, int C, int P)
{
    __shared__ double buffer[32];
    const int rc = blockIdx.x, c = rc % C;
    const double centre = mean[rc];
    double sum = 0, product = 0;
    for (int n = 0; n < N; ++n)
        for (int i = threadIdx.x; i < P; i += blockDim.x) {
            const double v = g[((size_t)n * C + c) * P + i];
            sum += v;
            product += v * (x[((size_t)n * RC + rc) * P + i] - centre);
        }
    sum = block_sum(sum, buffer);
    product = block_sum(product, buffer);
    if (threadIdx.x == 0) {
        sums[rc] = (float)sum;
        products[rc] = (float)product;
    }
}

// y, x (N, RC, P); a, b, d (RC); g as in grad_sums
extern "C" __global__ void combine(float* y, const float* g, const float* x, const float* a, const float* b,
                                   const float* d, int total, int RC, int C, int P)
{
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total) return;
    const int rc = i / P % RC, n = i / P / RC;
    const size_t j = ((size_t)n * C + rc % C) * P + i % P;
    y[i] = a[rc] * g[j] + b[rc] * x[i] + d[rc];
}

extern "C" __global__ void relu_grad(float* out, const float* g, const float* y, int total)
{
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < total) out[i] = y[i] > 0.f ? g[i] : 0.f;
}
