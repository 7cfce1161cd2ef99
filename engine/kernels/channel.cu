// What batch normalisation is made of: sums over images and positions, and affine maps, per channel and lane.
//
//     mean[r, c] = ⟨x⟩    variance[r, c] = ⟨(x − mean)²⟩ (biased)      ⟨·⟩ over n and positions
//     affine     a·x + b        combine   a·g + b·x + d        relu_grad   g where y > 0
//     grad_sums  Σ g,  Σ g·(x − mean)
//
// x (N, R, C, P), P = H·W positions; rc = r·C + c numbers the planes of an image. A sum is that of the warps' sums
// of a plane or of a strip of it, in one order: the same bits every time.

#include "pairs.cuh"
#include "reduce.cuh"

// parts (N, RC, 2): a plane's mean and Σ (x − mean)². grid ⌈planes/blockDim.y⌉, block (32, any): a warp a plane
extern "C" __global__ void moment_parts(double* parts, const float* x, int planes, int P)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y;
    if (plane >= planes) return;
    const float* from = x + (long long)plane * P;
    float sum = 0.f, rest = 0.f, squares = 0.f;
    for (int i = threadIdx.x; i < P; i += 32) sum += from[i];
    const float mean = warp_sum(sum) / P;
    for (int i = threadIdx.x; i < P; i += 32) {
        const float d = from[i] - mean;
        rest += d;
        squares += d * d;
    }
    rest = warp_sum(rest);   // what rounding left of the mean
    squares = warp_sum(squares);
    if (threadIdx.x > 0) return;
    parts[2ll * plane] = mean + (double)rest / P;
    parts[2ll * plane + 1] = squares - (double)rest * rest / P;
}

// mean, variance (RC) from the planes' parts (Chan et al. 1979): a block a channel and lane
extern "C" __global__ void moments(float* mean, float* variance, const double* parts, int N, int RC, int P)
{
    __shared__ double buffer[32];
    const double* from = parts + 2 * blockIdx.x;
    double sum = 0, squares = 0;
    for (int n = threadIdx.x; n < N; n += blockDim.x) sum += from[2ll * n * RC];
    const double centre = block_sum(sum, buffer) / N;
    for (int n = threadIdx.x; n < N; n += blockDim.x) {
        const double d = from[2ll * n * RC] - centre;
        squares += from[2ll * n * RC + 1] + P * d * d;
    }
    squares = block_sum(squares, buffer);
    if (threadIdx.x > 0) return;
    mean[blockIdx.x] = (float)centre;
    variance[blockIdx.x] = (float)(squares / ((double)N * P));
}

// y, x (N, RC, P); a, b (RC); low is 0 for a rectified y, else −∞. grid (⌈planes/blockDim.y⌉, strips), block
// (32, any): a warp a strip of a plane, as in all that follows
extern "C" __global__ void affine(float* y, const float* x, const float* a, const float* b, float low, int planes,
                                  int RC, int P)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y, rc = plane % RC;
    if (plane >= planes) return;
    const long long start = (long long)plane * P;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < P; at += gridDim.y * 32) {
        const float v = a[rc] * x[start + at] + b[rc];
        y[start + at] = v < low ? low : v;   // not fmaxf: NaN passes
    }
}

// parts: see pairs.cuh; g (N, RC, P), or (N, C, P) where the lanes share it: C = RC where they do not
extern "C" __global__ void grad_sums(double* parts, const float* g, const float* x, const float* mean, int planes,
                                     int RC, int C, int P)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y, rc = plane % RC, n = plane / RC;
    if (plane >= planes) return;
    const float* error = g + ((long long)n * C + rc % C) * P;
    float sum = 0.f, paired = 0.f;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < P; at += gridDim.y * 32) {
        sum += error[at];
        paired += error[at] * (x[(long long)plane * P + at] - mean[rc]);
    }
    store_pair(parts, sum, paired, plane, RC);
}

// y, x (N, RC, P); a, b, d (RC); g as in grad_sums
extern "C" __global__ void combine(float* y, const float* g, const float* x, const float* a, const float* b,
                                   const float* d, int planes, int RC, int C, int P)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y, rc = plane % RC, n = plane / RC;
    if (plane >= planes) return;
    const long long start = (long long)plane * P;
    const float* error = g + ((long long)n * C + rc % C) * P;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < P; at += gridDim.y * 32)
        y[start + at] = a[rc] * error[at] + b[rc] * x[start + at] + d[rc];
}

extern "C" __global__ void relu_grad(float* out, const float* g, const float* y, long long total)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < total) out[i] = y[i] > 0.f ? g[i] : 0.f;
}
