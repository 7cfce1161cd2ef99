// Convolution as linear algebra, with a lane axis.
//
//     push    y[n, r, o, i]      = Σ_c Σ_t M[r, o, c, t] · x[n, r, c, s·i + d·t − p]       y  = M x
//     pull    δx[n, r, c, s·i + d·t − p] += Σ_o Σ_t M[r, o, c, t] · δ[n, r, o, i]          δx = Mᵀ δ
//     outer   G[r, o, c, t]      = Σ_n Σ_i δ[n, r, o, i] · x[n, r, c, s·i + d·t − p]       ∂⟨δ, M x⟩/∂M
//
//     x (N, L, G, C, H, W), L = R or 1     δ, y (N, R, G, O, Ho, Wo)     M (R, G, O, C, k, k)
//
// Here dense and grouped convolutions, as products of matrices whose second factor is never stored (implicit
// GEMM); C and O count the channels of ONE of G groups. A block makes one tile of the result of one lane and
// group (blockIdx.y): it walks along the sum in steps of INNER terms, which it copies to shared memory, zeros
// where an index leaves its array. Every sum has one fixed order; a long one (outer) is cut into slabs.

#include "slabs.cuh"
#include "depthwise.cuh"

#define ROWS 16    // push, pull: channels of a tile
#define COLS 128   // push, pull: positions of a tile, one loaded by each thread
#define INNER 16   // terms a step
#define SIDE 32    // outer: rows, columns and terms of a tile

// acc[u][v] += Σ_e a[e][row u] · b[e][column v], for four rows and four columns of this thread
__device__ __forceinline__ void multiply(const float (*a)[ROWS + 4], const float (*b)[COLS], float (*acc)[4])
{
    const int row = threadIdx.x / 32 * 4, column = threadIdx.x % 32;
    #pragma unroll
    for (int e = 0; e < INNER; ++e)
        #pragma unroll
        for (int v = 0; v < 4; ++v) {
            const float factor = b[e][column + 32 * v];
            #pragma unroll
            for (int u = 0; u < 4; ++u) acc[u][v] += a[e][row + u] * factor;
        }
}

// write the tile to image (N, planes, rows, size): `plane` of `planes`, the columns run over (n, position)
__device__ __forceinline__ void store(float* image, const float (*acc)[4], int first_row, int rows,
                                      int first_column, int columns, int size, int plane, int planes)
{
    const int row = first_row + threadIdx.x / 32 * 4;
    #pragma unroll
    for (int v = 0; v < 4; ++v) {
        const int column = first_column + threadIdx.x % 32 + 32 * v;
        if (column >= columns) return;
        const long long n = column / size;
        float* to = image + (n * planes + plane) * rows * size + column % size;
        #pragma unroll
        for (int u = 0; u < 4; ++u)
            if (row + u < rows) to[(long long)(row + u) * size] = acc[u][v];
    }
}

// grid (⌈O/ROWS⌉·⌈N·Ho·Wo/COLS⌉, R·G), block COLS
extern "C" __global__ void __launch_bounds__(128)
dense_push(float* y, const float* x, const float* M, int N, int L, int R, int G, int C, int O, int H, int W,
           int Ho, int Wo, int k, int stride, int padding, int dilation)
{
    __shared__ float a[INNER][ROWS + 4];
    __shared__ float b[INNER][COLS];
    const int r = blockIdx.y / G, g = blockIdx.y % G, Q = C * k * k, P = Ho * Wo, tiles = (O + ROWS - 1) / ROWS;
    const int first_row = blockIdx.x % tiles * ROWS, first_column = blockIdx.x / tiles * COLS;
    const int column = first_column + threadIdx.x, i = column % P / Wo, j = column % Wo;
    const bool exists = column < N * P;
    const long long n = exists ? column / P : 0;
    const float* image = x + ((n * L + (L > 1 ? r : 0)) * G + g) * C * H * W;
    const float* weights = M + (long long)blockIdx.y * O * Q;
    float acc[4][4] = {};
    int c = 0, row = 0, col = 0;   // of the next term: channel and tap
    for (int first = 0; first < Q; first += INNER) {
        for (int e = threadIdx.x; e < ROWS * INNER; e += COLS) {
            const int o = first_row + e / INNER, q = first + e % INNER;
            a[e % INNER][e / INNER] = o < O && q < Q ? weights[(long long)o * Q + q] : 0.f;
        }
        for (int e = 0; e < INNER; ++e) {
            const int h = i * stride + row * dilation - padding, w = j * stride + col * dilation - padding;
            const bool inside = exists && c < C && h >= 0 && h < H && w >= 0 && w < W;
            b[e][threadIdx.x] = inside ? image[(c * H + h) * W + w] : 0.f;
            if (++col == k) { col = 0; if (++row == k) { row = 0; ++c; } }
        }
        __syncthreads();
        multiply(a, b, acc);
        __syncthreads();
    }
    store(y, acc, first_row, O, first_column, N * P, P, blockIdx.y, R * G);
}

// grid (⌈C/ROWS⌉·⌈N·H·W/COLS⌉, L·G), block COLS; where L = 1 the lanes' errors are added up
extern "C" __global__ void __launch_bounds__(128)
dense_pull(float* dx, const float* delta, const float* M, int N, int L, int R, int G, int C, int O, int H, int W,
           int Ho, int Wo, int k, int stride, int padding, int dilation)
{
    __shared__ float a[INNER][ROWS + 4];
    __shared__ float b[INNER][COLS];
    const int g = blockIdx.y % G, taps = k * k, Q = O * taps, P = Ho * Wo, tiles = (C + ROWS - 1) / ROWS;
    const int first_lane = L > 1 ? blockIdx.y / G : 0, last_lane = L > 1 ? first_lane + 1 : R;
    const int first_row = blockIdx.x % tiles * ROWS, first_column = blockIdx.x / tiles * COLS;
    const int column = first_column + threadIdx.x, h = column % (H * W) / W, w = column % W;
    const bool exists = column < N * H * W;
    const long long n = exists ? column / (H * W) : 0;
    float acc[4][4] = {};
    for (int r = first_lane; r < last_lane; ++r) {
        const float* error = delta + ((n * R + r) * G + g) * O * P;
        const float* weights = M + (long long)(r * G + g) * O * C * taps;
        int o = 0, row = 0, col = 0;
        for (int first = 0; first < Q; first += INNER) {
            for (int e = threadIdx.x; e < ROWS * INNER; e += COLS) {
                const int c = first_row + e / INNER, q = first + e % INNER;
                const bool inside = c < C && q < Q;
                a[e % INNER][e / INNER] = inside ? weights[((long long)(q / taps) * C + c) * taps + q % taps] : 0.f;
            }
            for (int e = 0; e < INNER; ++e) {
                const int y = h + padding - row * dilation, x = w + padding - col * dilation;   // s·i and s·j
                const int i = y / stride, j = x / stride;
                const bool inside = exists && o < O && y >= 0 && x >= 0 && i < Ho && j < Wo;
                const bool meets = inside && i * stride == y && j * stride == x;
                b[e][threadIdx.x] = meets ? error[o * P + i * Wo + j] : 0.f;
                if (++col == k) { col = 0; if (++row == k) { row = 0; ++o; } }
            }
            __syncthreads();
            multiply(a, b, acc);
            __syncthreads();
        }
    }
    store(dx, acc, first_row, C, first_column, N * H * W, H * W, blockIdx.y, L * G);
}

// grid (⌈O/SIDE⌉·⌈C·k²/SIDE⌉, R·G, slabs), block 128; parts (slabs, R, G, O, C, k, k), each the sum over `slab`
// of the N·Ho·Wo positions: sum_slabs adds them up
extern "C" __global__ void __launch_bounds__(128)
dense_outer(float* parts, const float* delta, const float* x, int N, int L, int R, int G, int C, int O, int H, int W,
            int Ho, int Wo, int k, int stride, int padding, int dilation, int slab)
{
    __shared__ float a[SIDE][SIDE + 1];   // [row][position]
    __shared__ float b[SIDE][SIDE + 1];   // [column][position]
    __shared__ int tap_row[SIDE];
    __shared__ int tap_col[SIDE];
    const int r = blockIdx.y / G, g = blockIdx.y % G, Q = C * k * k, P = Ho * Wo, tiles = (O + SIDE - 1) / SIDE;
    const int first_row = blockIdx.x % tiles * SIDE, first_column = blockIdx.x / tiles * SIDE;
    const int warp = threadIdx.x / 32, at = threadIdx.x % 32, u = threadIdx.x / 16, v = threadIdx.x % 16;
    const long long start = (long long)blockIdx.z * slab, all = (long long)N * P;
    const long long stop = start + slab < all ? start + slab : all;
    if (warp == 0) {
        const int t = (first_column + at) % (k * k);
        tap_row[at] = t / k * dilation - padding;
        tap_col[at] = t % k * dilation - padding;
    }
    float acc[4][2] = {};
    for (long long first = start; first < stop; first += SIDE) {
        __syncthreads();   // the taps are there, and the last tiles have been read
        const bool exists = first + at < stop;
        const int position = exists ? (int)(first + at) : 0, p = position % P, i = p / Wo, j = p % Wo;
        const long long n = position / P;
        const float* error = delta + ((n * R + r) * G + g) * O * P + p;
        const float* image = x + ((n * L + (L > 1 ? r : 0)) * G + g) * C * H * W;
        for (int e = warp; e < SIDE; e += 4) {
            const int o = first_row + e, q = first_column + e;
            const int h = i * stride + tap_row[e], w = j * stride + tap_col[e];
            const bool inside = exists && q < Q && h >= 0 && h < H && w >= 0 && w < W;
            a[e][at] = exists && o < O ? error[(long long)o * P] : 0.f;
            b[e][at] = inside ? image[(q / (k * k) * H + h) * W + w] : 0.f;
        }
        __syncthreads();
        #pragma unroll
        for (int e = 0; e < SIDE; ++e)
            #pragma unroll
            for (int m = 0; m < 8; ++m) acc[m / 2][m % 2] += a[4 * u + m / 2][e] * b[v + 16 * (m % 2)][e];
    }
    float* to = parts + ((long long)blockIdx.z * R * G + blockIdx.y) * O * Q;
    #pragma unroll
    for (int m = 0; m < 8; ++m) {
        const int o = first_row + 4 * u + m / 2, q = first_column + v + 16 * (m % 2);
        if (o < O && q < Q) to[(long long)o * Q + q] = acc[m / 2][m % 2];
    }
}
