// Updates of a flat array of weights w by what a rule made of them, g = −Δw.
//
//     clip  g ← g · min(1, c/(‖g‖ + 10⁻⁶))
//     sgd   g ← g + λ·w;  m ← μ·m + g;  w ← w - η·(g + μ·m where Nesterov, else m)
//     adam  g ← g + λ·w;  m ← m + (1 - β₁)·(g - m);  v ← v + (1 - β₂)·(g² - v);
//           w ← w - η/(1 - β₁ᵗ) · m / (√(v/(1 - β₂ᵗ)) + ε)
//
// η (*rate) and t (*count) are read from the device's memory, so that a recorded step can be replayed with the
// next ones. A thread updates one weight.

#include "squares.cuh"

// after sum_squares(parts, g, size); norm holds one number; limit ≤ 0: never clips. block: whole warps
extern "C" __global__ void clip(float* g, double* norm, const double* parts, int count, double limit, long long size)
{
    __shared__ double buffer[32];
    const double found = sqrt(sum_parts(parts, count, buffer));
    const double factor = limit / (found + 1e-6);
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i == 0) *norm = found;
    if (i < size && limit > 0 && isfinite(found) && factor < 1) g[i] *= (float)factor;
}

extern "C" __global__ void sgd(float* w, float* m, const float* g, const float* rate, float momentum, float decay,
                               bool nesterov, long long size)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    const float slope = g[i] + decay * w[i];
    m[i] = momentum * m[i] + slope;
    w[i] -= *rate * (nesterov ? slope + momentum * m[i] : m[i]);
}

extern "C" __global__ void adam(float* w, float* m, float* v, const float* g, const float* rate, const long long* count,
                                double beta1, double beta2, float decay, float epsilon, long long size)
{
    __shared__ float lasting[2];   // 1 − βᵗ: how much of the whole average has come together
    if (threadIdx.x == 0) {
        lasting[0] = (float)(1 - pow(beta1, (double)*count));
        lasting[1] = (float)(1 - pow(beta2, (double)*count));
    }
    __syncthreads();
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    const float slope = g[i] + decay * w[i];
    m[i] += (float)(1 - beta1) * (slope - m[i]);
    v[i] += (float)(1 - beta2) * (slope * slope - v[i]);
    w[i] -= *rate / lasting[0] * m[i] / (sqrtf(v[i] / lasting[1]) + epsilon);
}
