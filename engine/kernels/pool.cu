// Pooling over k × k windows; x (planes, H, W), y (planes, Ho, Wo), no ceil mode.
//
//     max_pool        y[i] = max_t x[s·i + t − p],   where[i] = the first t that attains it (uint8, row by row)
//     max_pool_pull   δx[s·i + where[i] − p] += δ[i]
//     max_pool_push   ẏ[i] = ẋ[s·i + where[i] − p]         the Jacobian-vector product at the same maxima
//     avg_pool        y[i] = Σ_t x[s·i + t − p] / m[i],    m[i] = how many taps lie in the image
//
// The padding never wins a maximum and never counts in m. NaN wins every maximum: divergence stays visible.
// A warp takes one plane, its threads neighbouring pixels. The transposes gather: each input collects from the
// windows that hold it, in order, so that no two threads write to one place.
//
// grid (⌈planes/blockDim.y⌉, strips of each plane), block (32, any)

#include "numbers.cuh"

extern "C" __global__ void max_pool(float* y, unsigned char* where, const float* x, int planes, int H, int W,
                                    int Ho, int Wo, int k, int stride, int padding)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y;
    if (plane >= planes) return;
    const float* image = x + (long long)plane * H * W;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < Ho * Wo; at += gridDim.y * 32) {
        const int top = at / Wo * stride - padding, left = at % Wo * stride - padding;
        float best = -INFINITE;
        int winner = max(-top, 0) * k + max(-left, 0);   // the first tap in the image: of an image of −∞ it wins
        for (int t = 0; t < k * k; ++t) {
            const int h = top + t / k, w = left + t % k;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            const float value = image[h * W + w];
            if (value > best || isnan(value)) { best = value; winner = t; }
        }
        y[(long long)plane * Ho * Wo + at] = best;
        where[(long long)plane * Ho * Wo + at] = (unsigned char)winner;
    }
}

extern "C" __global__ void max_pool_push(float* y, const float* x, const unsigned char* where, int planes, int H, int W,
                                         int Ho, int Wo, int k, int stride, int padding)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y;
    if (plane >= planes) return;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < Ho * Wo; at += gridDim.y * 32) {
        const long long to = (long long)plane * Ho * Wo + at;
        const int h = at / Wo * stride - padding + where[to] / k, w = at % Wo * stride - padding + where[to] % k;
        const bool inside = h >= 0 && h < H && w >= 0 && w < W;
        y[to] = inside ? x[((long long)plane * H + h) * W + w] : 0.f;
    }
}

// the first window, along one axis, that holds the (padded) position `at`
__device__ int first_window(int at, int k, int stride) { return at < k ? 0 : (at - k) / stride + 1; }

extern "C" __global__ void max_pool_pull(float* dx, const float* delta, const unsigned char* where, int planes,
                                         int H, int W, int Ho, int Wo, int k, int stride, int padding)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y;
    if (plane >= planes) return;
    const long long base = (long long)plane * Ho * Wo;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < H * W; at += gridDim.y * 32) {
        const int h = at / W + padding, w = at % W + padding;
        float sum = 0.f;
        for (int i = first_window(h, k, stride); i < Ho && i * stride <= h; ++i)
            for (int j = first_window(w, k, stride); j < Wo && j * stride <= w; ++j) {
                const long long from = base + i * Wo + j;
                if (where[from] == (h - i * stride) * k + w - j * stride) sum += delta[from];
            }
        dx[(long long)plane * H * W + at] = sum;
    }
}

// how many taps of the window from `first` on lie in an axis of `size`
__device__ int taps_inside(int first, int k, int size) { return min(first + k, size) - max(first, 0); }

extern "C" __global__ void avg_pool(float* y, const float* x, int planes, int H, int W, int Ho, int Wo, int k,
                                    int stride, int padding)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y;
    if (plane >= planes) return;
    const float* image = x + (long long)plane * H * W;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < Ho * Wo; at += gridDim.y * 32) {
        const int top = at / Wo * stride - padding, left = at % Wo * stride - padding;
        float sum = 0.f;
        for (int h = max(top, 0); h < min(top + k, H); ++h)
            for (int w = max(left, 0); w < min(left + k, W); ++w) sum += image[h * W + w];
        y[(long long)plane * Ho * Wo + at] = sum / (taps_inside(top, k, H) * taps_inside(left, k, W));
    }
}

extern "C" __global__ void avg_pool_pull(float* dx, const float* delta, int planes, int H, int W, int Ho, int Wo, int k,
                                         int stride, int padding)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y;
    if (plane >= planes) return;
    const float* error = delta + (long long)plane * Ho * Wo;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < H * W; at += gridDim.y * 32) {
        const int h = at / W + padding, w = at % W + padding;
        float sum = 0.f;
        for (int i = first_window(h, k, stride); i < Ho && i * stride <= h; ++i)
            for (int j = first_window(w, k, stride); j < Wo && j * stride <= w; ++j) {
                const int m = taps_inside(i * stride - padding, k, H) * taps_inside(j * stride - padding, k, W);
                sum += error[i * Wo + j] / m;
            }
        dx[(long long)plane * H * W + at] = sum;
    }
}
