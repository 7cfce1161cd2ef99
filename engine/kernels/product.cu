// The product of two matrices, or of pairs of them.
//
//     y[i, j] = Σ_k a[i, k] · b[k, j]          a (I, K)   b (K, J)   y (I, J)
//
// a and b may be transposed: element (i, k) of a lies at i·a_row + k·a_col. blockIdx.y numbers the pairs. A block
// makes a tile of TILE × TILE sums, a thread sixteen of them; blockIdx.z takes the terms [z·slab, (z + 1)·slab).
// An own product, since a CUDA graph cannot record cuBLAS.

#include "slabs.cuh"

#define TILE 64
#define INNER 16   // terms a step

// copy tile[e][line] = from[line, term e], zeros beyond the matrix; neighbouring threads read neighbouring memory
__device__ __forceinline__ void load(float (*tile)[TILE + 1], const float* from, int first_line, int lines,
                                     int line_stride, int first, int stop, int term_stride)
{
    for (int at = threadIdx.x; at < TILE * INNER; at += 256) {
        const int e = term_stride == 1 ? at % INNER : at / TILE;
        const int l = term_stride == 1 ? at / INNER : at % TILE;
        const bool inside = first_line + l < lines && first + e < stop;
        tile[e][l] = inside ? from[(long long)(first_line + l) * line_stride + (long long)(first + e) * term_stride] : 0.f;
    }
}

// grid (⌈I/TILE⌉·⌈J/TILE⌉, pairs, slabs), block 256; parts (slabs, pairs, I, J)
extern "C" __global__ void __launch_bounds__(256)
product(float* parts, const float* a, const float* b, int I, int J, int K, int a_row, int a_col, int b_row, int b_col,
        int slab)
{
    __shared__ float left[INNER][TILE + 1];
    __shared__ float right[INNER][TILE + 1];
    const int tiles = (I + TILE - 1) / TILE, first_row = blockIdx.x % tiles * TILE;
    const int first_column = blockIdx.x / tiles * TILE;
    const int start = blockIdx.z * slab, stop = min(start + slab, K);
    const int row = threadIdx.x / 16, column = threadIdx.x % 16;   // and every 16th from there
    float sum[4][4] = {};
    a += (long long)blockIdx.y * I * K;
    b += (long long)blockIdx.y * K * J;
    for (int first = start; first < stop; first += INNER) {
        load(left, a, first_row, I, a_row, first, stop, a_col);
        load(right, b, first_column, J, b_col, first, stop, b_row);
        __syncthreads();
        #pragma unroll
        for (int e = 0; e < INNER; ++e)
            #pragma unroll
            for (int v = 0; v < 4; ++v) {
                const float factor = right[e][column + 16 * v];
                #pragma unroll
                for (int u = 0; u < 4; ++u) sum[u][v] += left[e][row + 16 * u] * factor;
            }
        __syncthreads();
    }
    float* y = parts + ((long long)blockIdx.z * gridDim.y + blockIdx.y) * I * J;
    #pragma unroll
    for (int u = 0; u < 4; ++u)
        #pragma unroll
        for (int v = 0; v < 4; ++v) {
            const int i = first_row + row + 16 * u, j = first_column + column + 16 * v;
            if (i < I && j < J) y[(long long)i * J + j] = sum[u][v];
        }
}
