// The few numbers of batch norms and mixtures, a lane and channel each: from moments to maps, from sums to gradients.
//
//     forward     ρ = 1/√(σ² + ε)     a = γρ     b = β − aμ                       y = a·x + b
//                 μ̄ ← μ̄ + (μ − μ̄)/10     σ̄² ← σ̄² + (σ²·M/(M − 1) − σ̄²)/10         where statistics are followed
//     weigh       ρ = 1/√(σ² + ε)     a = qρ     t ← t − Σ_r aμ                    node += Σ_r a·x + t
//     backward    S = ρS1,  S1 = Σ g·(x − μ)     dγ ← dγ + S     dβ ← dβ + S0 = Σ g     dq = Σ_c S
//                 A = sρ     B = −AρS/M     E = −A·S0/M − Bμ                       ∂L/∂x = A·g + B·x + E
//
// rc = r·C + c numbers lanes and channels. An array that a flag says is absent is not touched; any may stand there.

#include "reduce.cuh"

#define EPSILON 1e-5f
#define MOMENTUM 0.1f

__device__ __forceinline__ float inverse_deviation(float variance) { return 1.f / sqrtf(variance + EPSILON); }

// a, b, rstd, mean, variance (RC); unbiased: M/(M − 1). grid ⌈RC/blockDim.x⌉
extern "C" __global__ void forward(float* a, float* b, float* rstd, float* kept_mean, float* kept_variance, const float* mean,
                                   const float* variance, const float* gamma, const float* beta, bool learned, bool followed,
                                   float unbiased, int RC)
{
    const int rc = blockIdx.x * blockDim.x + threadIdx.x;
    if (rc >= RC) return;
    const float rho = inverse_deviation(variance[rc]), scale = learned ? rho * gamma[rc] : rho;
    if (followed) {
        kept_mean[rc] += MOMENTUM * (mean[rc] - kept_mean[rc]);
        kept_variance[rc] += MOMENTUM * (variance[rc] * unbiased - kept_variance[rc]);
    }
    rstd[rc] = rho;
    a[rc] = scale;
    b[rc] = (learned ? beta[rc] : 0.f) - mean[rc] * scale;
}

// a, rstd, mean, variance (R, C), q (R), t (C). grid ⌈C/blockDim.x⌉: a thread a channel
extern "C" __global__ void weigh(float* a, float* rstd, float* t, const float* mean, const float* variance, const float* q,
                                 int R, int C)
{
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= C) return;
    float sum = 0.f;
    for (int r = 0; r < R; ++r) {
        const int rc = r * C + c;
        const float rho = inverse_deviation(variance[rc]), scale = q[r] * rho;
        rstd[rc] = rho;
        a[rc] = scale;
        sum += scale * mean[rc];
    }
    t[c] -= sum;
}

// A, B, E, mean, rstd, S0, S1, dgamma, dbeta (R, C); scale (R, C), or (R, 1) where lanes_only; dq (R).
// grid R, block: whole warps
extern "C" __global__ void backward(float* A, float* B, float* E, float* dgamma, float* dbeta, float* dq, const float* mean,
                                    const float* rstd, const float* S0, const float* S1, const float* scale, bool scaled,
                                    bool lanes_only, bool learns, bool mixes, float count, int C)
{
    __shared__ double buffer[32];
    double total = 0;
    for (int c = threadIdx.x; c < C; c += blockDim.x) {
        const int rc = blockIdx.x * C + c;
        const float rho = rstd[rc], S = S1[rc] * rho;
        const float factor = (scaled ? scale[lanes_only ? blockIdx.x : rc] : 1.f) * rho, slope = -factor * rho * S / count;
        A[rc] = factor;
        B[rc] = slope;
        E[rc] = -factor * S0[rc] / count - slope * mean[rc];
        if (learns) {
            dgamma[rc] += S;
            dbeta[rc] += S0[rc];
        }
        total += S;
    }
    if (!mixes) return;
    total = block_sum(total, buffer);
    if (threadIdx.x == 0) dq[blockIdx.x] = (float)total;
}
