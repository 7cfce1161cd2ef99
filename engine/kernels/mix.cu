// The mixture of lanes, a node's sum of a mixed edge.
//
//     out[n, c] += Σ_r scale[r, c] · y[n, r, c]          y (N, R, C, H, W)   scale (R, C)   out (N, C, H, W)
//
// P = H·W. A warp takes a strip of a plane (n, c): a thread adds every lane to its elements of `out`, which are read
// and written once.

// grid (⌈planes/blockDim.y⌉, strips), block (32, any)
extern "C" __global__ void mix(float* out, const float* y, const float* scale, int planes, int R, int C, int P)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y, c = plane % C, n = plane / C;
    if (plane >= planes) return;
    const float* lanes = y + ((long long)n * R * C + c) * P;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < P; at += gridDim.y * 32) {
        float sum = out[(long long)plane * P + at];
        for (int r = 0; r < R; ++r) sum += scale[r * C + c] * lanes[(long long)r * C * P + at];
        out[(long long)plane * P + at] = sum;
    }
}
