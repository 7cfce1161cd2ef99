// The depthwise convolutions of conv.cu: every output channel reads one input channel, o the o/m-th.
//
//     push    y[n, r, o, i]      = Σ_t M[r, o, t] · x[n, r, o/m, s·i + d·t − p]            y  = M x
//     pull    δx[n, r, o/m, s·i + d·t − p] += Σ_t M[r, o, t] · δ[n, r, o, i]               δx = Mᵀ δ
//     outer   G[r, o, t]         = Σ_n Σ_i δ[n, r, o, i] · x[n, r, o/m, s·i + d·t − p]     ∂⟨δ, M x⟩/∂M
//
//     x (N, L, C, H, W), L = R or 1     δ, y (N, R, O, Ho, Wo), O = m·C     M (R, O, k, k)
//
// push, pull: a warp takes one plane (n, r, channel) and its threads neighbouring pixels, so that memory is read
// and written in whole lines; neighbours share what they read in the first-level cache.

// grid (⌈planes/blockDim.y⌉, strips of each plane), block (32, any)
extern "C" __global__ void depthwise_push(float* y, const float* x, const float* M, int N, int L, int R, int C, int O,
                                          int H, int W, int Ho, int Wo, int k, int stride, int padding, int dilation)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y, P = Ho * Wo;   // (n, r, o)
    if (plane >= N * R * O) return;
    const int o = plane % O, r = plane / O % R, n = plane / O / R;
    const float* image = x + (((long long)n * L + (L > 1 ? r : 0)) * C + o / (O / C)) * H * W;
    const float* weights = M + ((long long)r * O + o) * k * k;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < P; at += gridDim.y * 32) {
        const int first_row = at / Wo * stride - padding, first_col = at % Wo * stride - padding;
        float sum = 0.f;
        for (int row = 0; row < k; ++row) {
            const int h = first_row + row * dilation;
            if (h < 0 || h >= H) continue;
            for (int col = 0; col < k; ++col) {
                const int w = first_col + col * dilation;
                if (w >= 0 && w < W) sum += weights[row * k + col] * image[h * W + w];
            }
        }
        y[(long long)plane * P + at] = sum;
    }
}

// grid and block as above, planes (n, l, c); where L = 1 the lanes' errors are added up
extern "C" __global__ void depthwise_pull(float* dx, const float* delta, const float* M, int N, int L, int R, int C,
                                          int O, int H, int W, int Ho, int Wo, int k, int stride, int padding,
                                          int dilation)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y, m = O / C, P = Ho * Wo;   // (n, l, c)
    if (plane >= N * L * C) return;
    const int c = plane % C, l = plane / C % L, n = plane / C / L;
    const int first_lane = L > 1 ? l : 0, last_lane = L > 1 ? l + 1 : R;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < H * W; at += gridDim.y * 32) {
        const int h = at / W + padding, w = at % W + padding;
        float sum = 0.f;
        for (int r = first_lane; r < last_lane; ++r)
            for (int o = c * m; o < (c + 1) * m; ++o) {
                const float* error = delta + (((long long)n * R + r) * O + o) * P;
                const float* weights = M + ((long long)r * O + o) * k * k;
                for (int row = 0; row < k; ++row) {
                    const int y = h - row * dilation, i = y / stride;   // y = s·i where the tap meets an output
                    if (y < 0 || i >= Ho || i * stride != y) continue;
                    for (int col = 0; col < k; ++col) {
                        const int x = w - col * dilation, j = x / stride;
                        if (x >= 0 && j < Wo && j * stride == x) sum += weights[row * k + col] * error[i * Wo + j];
                    }
                }
            }
        dx[(long long)plane * H * W + at] = sum;
    }
}

#define TAPS 8   // of one row of the kernel, summed at once

// grid (R·O, slabs), block (32, k): a warp sums one row of taps; parts (slabs, R, O, k, k), each the sum over
// `slab` images: sum_slabs adds them up
extern "C" __global__ void depthwise_outer(float* parts, const float* delta, const float* x, int N, int L, int R, int C,
                                           int O, int H, int W, int Ho, int Wo, int k, int stride, int padding,
                                           int dilation, int slab)
{
    const int r = blockIdx.x / O, o = blockIdx.x % O, c = o / (O / C), P = Ho * Wo, row = threadIdx.y;
    const int start = blockIdx.y * slab, stop = start + slab < N ? start + slab : N;
    float* to = parts + ((long long)blockIdx.y * R * O + blockIdx.x) * k * k + row * k;
    for (int first = 0; first < k; first += TAPS) {
        float sum[TAPS] = {};
        for (int n = start; n < stop; ++n) {
            const float* error = delta + (((long long)n * R + r) * O + o) * P;
            const float* image = x + (((long long)n * L + (L > 1 ? r : 0)) * C + c) * H * W;
            for (int at = threadIdx.x; at < P; at += 32) {
                const int h = at / Wo * stride + row * dilation - padding;
                if (h < 0 || h >= H) continue;
                const float e = error[at];
                #pragma unroll
                for (int t = 0; t < TAPS; ++t) {
                    const int w = at % Wo * stride + (first + t) * dilation - padding;
                    if (first + t < k && w >= 0 && w < W) sum[t] += e * image[h * W + w];
                }
            }
        }
        #pragma unroll
        for (int t = 0; t < TAPS; ++t) {
            for (int d = 16; d > 0; d /= 2) sum[t] += __shfl_down_sync(0xffffffffu, sum[t], d);
            if (threadIdx.x == 0 && first + t < k) to[first + t] = sum[t];
        }
    }
}
