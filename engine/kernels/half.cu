// A half of a separable or dilated convolution, in one pass: (normalise, rectify,) depthwise, pointwise, moments.
//
//     forward     z = max(a·x + b, 0)  (z = x without a norm)     h = D z     y = P h     mean, variance of y
//     backward    δ  = A·g + B·y + E                what the norm above (and the mixture) makes of the error g
//                 dP = δ ⊗ h                        δh = Pbᵀ δ
//                 dD = δh ⊗ z                       δz = Dbᵀ δh
//                 below = δz where a·x + b > 0, with S0 = Σ below, S1 = Σ below·(x − mean)     (with a norm)
//                 into += δz, summed over the lanes that share x                             (without one)
//
// x (N, L, C, H, W), L = R or 1     D, Db (R, C, k, k)     P, Pb (R, O, C)     y (N, R, O, Ho, Wo)     g (N, G, O, Ho, Wo), G = R or 1
// a, b, mean (R, C): read where `normed`, else any array may stand there     A, B, E (R, O)
//
// forward is a product of matrices whose second factor, h, is made tile by tile in shared memory and never
// stored; a tile's moments are taken from the registers that hold it. backward is in half_backward.cuh.

#include "pairs.cuh"
#include "reduce.cuh"
#include "slabs.cuh"

#define ROWS 64      // channels of a tile; the eight warps take every eighth
#define COLS 128     // positions of a tile
#define INNER 16     // terms a step
#define THREADS 256

struct Window { int k, stride, padding, dilation; };

__device__ __forceinline__ float rectified(float x, float a, float b, bool normed)
{
    const float z = a * x + b;
    return !normed ? x : z < 0.f ? 0.f : z;   // NaN passes
}

// h at output (i, j): Σ_t D[t]·z
__device__ __forceinline__ float depthwise(const float* image, const float* D, float a, float b, bool normed, int i,
                                           int j, int H, int W, Window s)
{
    float sum = 0.f;
    for (int row = 0; row < s.k; ++row) {
        const int h = i * s.stride + row * s.dilation - s.padding;
        if (h < 0 || h >= H) continue;
        for (int col = 0; col < s.k; ++col) {
            const int w = j * s.stride + col * s.dilation - s.padding;
            if (w >= 0 && w < W) sum += D[row * s.k + col] * rectified(image[h * W + w], a, b, normed);
        }
    }
    return sum;
}

// acc[u][v] += Σ_e left[e][row u] · right[e][column v]; rows: how many of the tile there are
__device__ __forceinline__ void multiply(const float (*left)[ROWS + 1], const float (*right)[COLS], float (*acc)[4],
                                         int rows)
{
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    #pragma unroll
    for (int e = 0; e < INNER; ++e)
        #pragma unroll
        for (int u = 0; u < ROWS / 8; ++u)
            if (warp + 8 * u < rows)
                #pragma unroll
                for (int v = 0; v < 4; ++v) acc[u][v] += left[e][warp + 8 * u] * right[e][lane + 32 * v];
}

// grid (⌈O/ROWS⌉·tiles, R), tiles = ⌈N·Ho·Wo/COLS⌉; parts (tiles, R, O, 2): a tile's mean and Σ (y − mean)²
extern "C" __global__ void __launch_bounds__(256, 2)
forward(float* y, double* parts, const float* x, const float* a, const float* b, const float* D, const float* P,
        bool normed, int N, int L, int R, int C, int O, int H, int W, int Ho, int Wo, int k, int stride, int padding,
        int dilation)
{
    __shared__ float weights[INNER][ROWS + 1];
    __shared__ float hidden[INNER][COLS];
    const Window s = {k, stride, padding, dilation};
    const int r = blockIdx.y, blocks = (O + ROWS - 1) / ROWS, tile = blockIdx.x / blocks, size = Ho * Wo;
    const int first_row = blockIdx.x % blocks * ROWS, first_column = tile * COLS, columns = N * size;
    const int column = first_column + threadIdx.x % COLS, i = column % size / Wo, j = column % Wo;
    const bool exists = column < columns;
    const float* image = x + ((exists ? (long long)(column / size) : 0) * L + (L > 1 ? r : 0)) * C * H * W;
    float acc[ROWS / 8][4] = {};
    for (int first = 0; first < C; first += INNER) {
        for (int at = threadIdx.x; at < ROWS * INNER; at += THREADS) {
            const int o = first_row + at / INNER, c = first + at % INNER;
            weights[at % INNER][at / INNER] = o < O && c < C ? P[((long long)r * O + o) * C + c] : 0.f;
        }
        for (int e = threadIdx.x / COLS; e < INNER; e += THREADS / COLS) {
            const int c = first + e, rc = r * C + c;
            float h = 0.f;
            if (exists && c < C)
                h = depthwise(image + (long long)c * H * W, D + (long long)rc * k * k, normed ? a[rc] : 1.f,
                              normed ? b[rc] : 0.f, normed, i, j, H, W, s);
            hidden[e][threadIdx.x % COLS] = h;
        }
        __syncthreads();
        multiply(weights, hidden, acc, O - first_row);
        __syncthreads();
    }
    const int lane = threadIdx.x % 32, count = min(COLS, columns - first_column);
    #pragma unroll
    for (int u = 0; u < ROWS / 8; ++u) {
        const int o = first_row + threadIdx.x / 32 + 8 * u;
        if (o >= O) return;   // the whole warp
        float sum = 0.f, rest = 0.f, squares = 0.f;
        #pragma unroll
        for (int v = 0; v < 4; ++v) sum += lane + 32 * v < count ? acc[u][v] : 0.f;
        const float mean = warp_sum(sum) / count;
        #pragma unroll
        for (int v = 0; v < 4; ++v) {
            const int at = first_column + lane + 32 * v;
            if (at >= columns) continue;
            const float d = acc[u][v] - mean;
            rest += d;
            squares += d * d;
            y[(((long long)(at / size) * R + r) * O + o) * size + at % size] = acc[u][v];
        }
        rest = warp_sum(rest);   // what rounding left of the mean
        squares = warp_sum(squares);
        if (lane > 0) continue;
        double* to = parts + (((long long)tile * R + r) * O + o) * 2;
        to[0] = mean + (double)rest / count;
        to[1] = squares - (double)rest * rest / count;
    }
}

// mean, variance (RO) from the tiles' parts (Chan et al. 1979): a block a channel and lane
extern "C" __global__ void merge(float* mean, float* variance, const double* parts, int tiles, int RO, int columns)
{
    __shared__ double buffer[32];
    const double* from = parts + 2 * blockIdx.x;
    double sum = 0, squares = 0;
    for (int t = threadIdx.x; t < tiles; t += blockDim.x)
        sum += min(COLS, columns - t * COLS) * from[2ll * t * RO];
    const double centre = block_sum(sum, buffer) / columns;
    for (int t = threadIdx.x; t < tiles; t += blockDim.x) {
        const double d = from[2ll * t * RO] - centre;
        squares += from[2ll * t * RO + 1] + min(COLS, columns - t * COLS) * d * d;
    }
    squares = block_sum(squares, buffer);
    if (threadIdx.x > 0) return;
    mean[blockIdx.x] = (float)centre;
    variance[blockIdx.x] = (float)(squares / columns);
}

#include "half_backward.cuh"
