// backward of half.cu, in five launches and their sums: δh, dP, dD, and below (or into). δ, z and h are made again
// where they are needed; only δh is stored.

// δ at (o, position): A·g + B·y + E; plane: r·O + o, from: its place in y, lane_from: in g
__device__ __forceinline__ float error_at(const float* g, const float* y, const float* A, const float* B,
                                          const float* E, int plane, long long from, long long lane_from)
{
    return A[plane] * g[lane_from] + B[plane] * y[from] + E[plane];
}

// hidden (N, R, C, Ho, Wo): δh = Pbᵀ δ. grid (⌈C/ROWS⌉·⌈N·Ho·Wo/COLS⌉, R)
extern "C" __global__ void __launch_bounds__(256)
backward_point(float* hidden, const float* g, const float* y, const float* A, const float* B, const float* E,
               const float* Pb, int N, int G, int R, int C, int O, int size)
{
    __shared__ float weights[INNER][ROWS + 1];
    __shared__ float error[INNER][COLS];
    const int r = blockIdx.y, blocks = (C + ROWS - 1) / ROWS, columns = N * size;
    const int first_row = blockIdx.x % blocks * ROWS, first_column = blockIdx.x / blocks * COLS;
    const int column = first_column + threadIdx.x % COLS;
    const bool exists = column < columns;
    const long long n = exists ? column / size : 0;
    float acc[ROWS / 8][4] = {};
    for (int first = 0; first < O; first += INNER) {
        for (int at = threadIdx.x; at < ROWS * INNER; at += THREADS) {
            const int o = first + at / ROWS, c = first_row + at % ROWS;
            weights[at / ROWS][at % ROWS] = o < O && c < C ? Pb[((long long)r * O + o) * C + c] : 0.f;
        }
        for (int e = threadIdx.x / COLS; e < INNER; e += THREADS / COLS) {
            const int o = first + e;
            const long long from = ((n * R + r) * O + o) * size + column % size;
            const long long lane_from = ((n * G + (G > 1 ? r : 0)) * O + o) * size + column % size;
            const bool inside = exists && o < O;
            error[e][threadIdx.x % COLS] = inside ? error_at(g, y, A, B, E, r * O + o, from, lane_from) : 0.f;
        }
        __syncthreads();
        multiply(weights, error, acc, C - first_row);
        __syncthreads();
    }
    #pragma unroll
    for (int u = 0; u < ROWS / 8; ++u)
        #pragma unroll
        for (int v = 0; v < 4; ++v) {
            const int c = first_row + threadIdx.x / 32 + 8 * u, at = first_column + threadIdx.x % 32 + 32 * v;
            if (c < C && at < columns)
                hidden[(((long long)(at / size) * R + r) * C + c) * size + at % size] = acc[u][v];
        }
}

#define STEP 32   // positions of a step of backward_point_outer

// parts (slabs, R, O, C): dP = δ ⊗ h over `slab` of the N·Ho·Wo positions. grid (⌈O/ROWS⌉·⌈C/ROWS⌉, R, slabs)
extern "C" __global__ void __launch_bounds__(256)
backward_point_outer(float* parts, const float* g, const float* y, const float* A, const float* B, const float* E,
                     const float* x, const float* a, const float* b, const float* D, bool normed, int N, int G, int L,
                     int R, int C, int O, int H, int W, int Ho, int Wo, int k, int stride, int padding, int dilation,
                     int slab)
{
    __shared__ float error[ROWS][STEP + 1];
    __shared__ float hidden[ROWS][STEP + 1];
    const Window s = {k, stride, padding, dilation};
    const int r = blockIdx.y, blocks = (O + ROWS - 1) / ROWS, size = Ho * Wo, columns = N * size;
    const int first_o = blockIdx.x % blocks * ROWS, first_c = blockIdx.x / blocks * ROWS;
    const int at = threadIdx.x % STEP, row = threadIdx.x / 16, col = threadIdx.x % 16;
    const int start = blockIdx.z * slab, stop = min(start + slab, columns);
    float acc[4][4] = {};
    for (int first = start; first < stop; first += STEP) {
        const int column = first + at, p = column % size;
        const bool exists = column < stop;
        const long long n = exists ? column / size : 0;
        for (int e = threadIdx.x / STEP; e < ROWS; e += THREADS / STEP) {
            const int o = first_o + e, c = first_c + e, rc = r * C + c;
            const long long from = ((n * R + r) * O + o) * size + p;
            const long long lane_from = ((n * G + (G > 1 ? r : 0)) * O + o) * size + p;
            const float* image = x + ((n * L + (L > 1 ? r : 0)) * C + c) * H * W;
            error[e][at] = exists && o < O ? error_at(g, y, A, B, E, r * O + o, from, lane_from) : 0.f;
            hidden[e][at] = exists && c < C ? depthwise(image, D + (long long)rc * k * k, normed ? a[rc] : 1.f,
                                                        normed ? b[rc] : 0.f, normed, p / Wo, p % Wo, H, W, s) : 0.f;
        }
        __syncthreads();
        #pragma unroll 4
        for (int e = 0; e < STEP; ++e)
            #pragma unroll
            for (int u = 0; u < 4; ++u)
                if (first_o + 16 * u < O)
                    #pragma unroll
                    for (int v = 0; v < 4; ++v) acc[u][v] += error[row + 16 * u][e] * hidden[col + 16 * v][e];
        __syncthreads();
    }
    #pragma unroll
    for (int m = 0; m < 16; ++m) {
        const int o = first_o + row + m / 4 * 16, c = first_c + col + m % 4 * 16;
        if (o < O && c < C) parts[(((long long)blockIdx.z * R + r) * O + o) * C + c] = acc[m / 4][m % 4];
    }
}

#define TAPS 8   // of one row of the kernel, summed at once

// parts (slabs, R, C, k, k): dD = δh ⊗ z over `slab` images. grid (R·C, slabs), block (32, k): a warp a row of taps
extern "C" __global__ void backward_depth_outer(float* parts, const float* hidden, const float* x, const float* a,
                                                const float* b, bool normed, int N, int L, int R, int C, int H, int W,
                                                int Ho, int Wo, int k, int stride, int padding, int dilation, int slab)
{
    const int rc = blockIdx.x, r = rc / C, row = threadIdx.y, start = blockIdx.y * slab, stop = min(start + slab, N);
    const float scale = normed ? a[rc] : 1.f, shift = normed ? b[rc] : 0.f;
    float* to = parts + ((long long)blockIdx.y * R * C + rc) * k * k + row * k;
    for (int first = 0; first < k; first += TAPS) {
        float sum[TAPS] = {};
        for (int n = start; n < stop; ++n) {
            const float* error = hidden + ((long long)n * R * C + rc) * Ho * Wo;
            const float* image = x + (((long long)n * L + (L > 1 ? r : 0)) * C + rc % C) * H * W;
            for (int at = threadIdx.x; at < Ho * Wo; at += 32) {
                const int h = at / Wo * stride + row * dilation - padding;
                if (h < 0 || h >= H) continue;
                const float e = error[at];
                #pragma unroll
                for (int t = 0; t < TAPS; ++t) {
                    const int w = at % Wo * stride + (first + t) * dilation - padding;
                    if (first + t < k && w >= 0 && w < W)
                        sum[t] += e * rectified(image[h * W + w], scale, shift, normed);
                }
            }
        }
        #pragma unroll
        for (int t = 0; t < TAPS; ++t) {
            const float all = warp_sum(sum[t]);
            if (threadIdx.x == 0 && first + t < k) to[first + t] = all;
        }
    }
}

// δz at the padded position (h, w): Σ_t Db[t]·δh where s·i + d·t = h
__device__ __forceinline__ float pulled(const float* hidden, const float* Db, int h, int w, int Ho, int Wo, Window s)
{
    float sum = 0.f;
    for (int row = 0; row < s.k; ++row) {
        const int y = h - row * s.dilation, i = y / s.stride;
        if (y < 0 || i >= Ho || i * s.stride != y) continue;
        for (int col = 0; col < s.k; ++col) {
            const int x = w - col * s.dilation, j = x / s.stride;
            if (x >= 0 && j < Wo && j * s.stride == x) sum += Db[row * s.k + col] * hidden[i * Wo + j];
        }
    }
    return sum;
}

// into (N, L, C, H, W) += δz, over the lanes where L = 1. grid (⌈N·L·C/blockDim.y⌉, strips), block (32, any)
extern "C" __global__ void backward_into(float* into, const float* hidden, const float* Db, int N, int L, int R, int C,
                                         int H, int W, int Ho, int Wo, int k, int stride, int padding, int dilation)
{
    const Window s = {k, stride, padding, dilation};
    const int plane = blockIdx.x * blockDim.y + threadIdx.y;   // (n, l, c)
    if (plane >= N * L * C) return;
    const int c = plane % C, l = plane / C % L, n = plane / C / L;
    const int first_lane = L > 1 ? l : 0, last_lane = L > 1 ? l + 1 : R;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < H * W; at += gridDim.y * 32) {
        float sum = 0.f;
        for (int r = first_lane; r < last_lane; ++r)
            sum += pulled(hidden + (((long long)n * R + r) * C + c) * Ho * Wo, Db + (long long)(r * C + c) * k * k,
                          at / W + padding, at % W + padding, Ho, Wo, s);
        into[(long long)plane * H * W + at] += sum;
    }
}

// below (N, R, C, H, W), and of each plane's strip Σ below and Σ below·(x − mean): parts of pairs.cuh.
// grid and block as above
extern "C" __global__ void backward_below(float* below, double* parts, const float* hidden, const float* x,
                                          const float* a, const float* b, const float* mean, const float* Db, int N,
                                          int R, int C, int H, int W, int Ho, int Wo, int k, int stride, int padding,
                                          int dilation)
{
    const Window s = {k, stride, padding, dilation};
    const int plane = blockIdx.x * blockDim.y + threadIdx.y;   // (n, r, c)
    if (plane >= N * R * C) return;
    const int rc = plane % (R * C);
    float sum = 0.f, paired = 0.f;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < H * W; at += gridDim.y * 32) {
        const long long from = (long long)plane * H * W + at;
        const float error = pulled(hidden + (long long)plane * Ho * Wo, Db + (long long)rc * k * k, at / W + padding,
                                   at % W + padding, Ho, Wo, s);
        const float passed = a[rc] * x[from] + b[rc] > 0.f ? error : 0.f;
        below[from] = passed;
        sum += passed;
        paired += passed * (x[from] - mean[rc]);
    }
    store_pair(parts, sum, paired, plane, R * C);
}
