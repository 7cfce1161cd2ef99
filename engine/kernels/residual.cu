// The two ends of a residual block, one pass over memory each.
//
//     join    y = max(a·x + b + s, 0)                        a norm, the shortcut s, and the rectifier behind them
//     gate    g where y > 0,  and of that  Σ g,  Σ g·(x − mean)       relu_grad and grad_sums of channel.py at once
//     add     out += g
//
// x, s, y, g (N, RC, P), P = H·W positions; rc = r·C + c numbers the planes of an image; coefficients (RC).

#include "pairs.cuh"

// grid (⌈planes/blockDim.y⌉, strips), block (32, any): a warp a strip of a plane, as in gate
extern "C" __global__ void join(float* y, const float* x, const float* a, const float* b, const float* s, int planes,
                                int RC, int P)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y, rc = plane % RC;
    if (plane >= planes) return;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < P; at += gridDim.y * 32) {
        const long long i = (long long)plane * P + at;
        const float v = a[rc] * x[i] + b[rc] + s[i];
        y[i] = v < 0.f ? 0.f : v;   // NaN passes
    }
}

// gated (N, RC, P), parts: see pairs.cuh
extern "C" __global__ void gate(float* gated, double* parts, const float* g, const float* y, const float* x,
                                const float* mean, int planes, int RC, int P)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y;
    if (plane >= planes) return;
    float sum = 0.f, paired = 0.f;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < P; at += gridDim.y * 32) {
        const long long i = (long long)plane * P + at;
        const float passed = y[i] > 0.f ? g[i] : 0.f;
        gated[i] = passed;
        sum += passed;
        paired += passed * (x[i] - mean[plane % RC]);
    }
    store_pair(parts, sum, paired, plane, RC);
}

extern "C" __global__ void add(float* out, const float* g, long long total)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < total) out[i] += g[i];
}
