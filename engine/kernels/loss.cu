// Cross-entropy with label smoothing, and its gradient: the error that every rule starts from.
//
//     p = softmax(logits)     q = (1 - s)·onehot(label) + s/K
//     L = -⟨Σ_k q_k log p_k⟩_n          e = ∂L/∂logits = (p - q)/N
//
// logits, e (N, K), labels (N). One block does all of a batch: a warp takes every 32nd row, so that L is summed
// in one fixed order and nobody waits for a second launch.

#include "numbers.cuh"
#include "warp.cuh"
#include "reduce.cuh"

// block: whole warps; `loss` holds one number
extern "C" __global__ void cross_entropy(float* loss, float* error, const float* logits, const long long* labels,
                                         float smoothing, int N, int K)
{
    __shared__ double buffer[32];
    const int lane = threadIdx.x % 32, warps = blockDim.x / 32;
    double total = 0;   // of the rows of this warp, held by its first thread
    for (int n = threadIdx.x / 32; n < N; n += warps) {
        const float* row = logits + (long long)n * K;
        float top = -INFINITE, sum = 0.f, log_p = 0.f;
        for (int k = lane; k < K; k += 32) top = row[k] > top || isnan(row[k]) ? row[k] : top;
        top = warp_max(top);
        for (int k = lane; k < K; k += 32) sum += expf(row[k] - top);
        sum = warp_sum(sum);
        const float rest = smoothing / K, log_sum = logf(sum);
        for (int k = lane; k < K; k += 32) {
            const float shifted = row[k] - top, q = rest + (k == labels[n] ? 1.f - smoothing : 0.f);
            error[(long long)n * K + k] = (expf(shifted) / sum - q) / N;
            log_p += q * (shifted - log_sum);
        }
        log_p = warp_sum(log_p);
        if (lane == 0) total -= labels[n] >= 0 && labels[n] < K ? log_p : NOT_A_NUMBER;
    }
    total = block_sum(total, buffer);
    if (threadIdx.x == 0) *loss = (float)(total / N);
}

// block: whole warps; `hits` holds one number: how many labels have the largest logit, the first of equal ones
extern "C" __global__ void correct(long long* hits, const float* logits, const long long* labels, int N, int K)
{
    __shared__ double buffer[32];
    const int lane = threadIdx.x % 32, warps = blockDim.x / 32;
    double found = 0;
    for (int n = threadIdx.x / 32; n < N; n += warps) {
        const float* row = logits + (long long)n * K;
        float top = -INFINITE;
        for (int k = lane; k < K; k += 32) top = row[k] > top || isnan(row[k]) ? row[k] : top;
        top = warp_max(top);
        float first = K;   // NumPy counts NaN as the largest
        for (int k = K - 1 - lane; k >= 0; k -= 32)
            if (row[k] == top || (isnan(top) && isnan(row[k]))) first = k;
        first = -warp_max(-first);
        if (lane == 0 && first == labels[n]) found += 1;
    }
    found = block_sum(found, buffer);
    if (threadIdx.x == 0) *hits = (long long)found;
}
