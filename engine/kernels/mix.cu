// The mixture of lanes, a node's sum of a mixed edge.
//
//     out[n, c] += Σ_r scale[r, c] · y[n, r, c]          y (N, R, C, H, W)   scale (R, C)   out (N, C, H, W)
//
// P = H·W. A thread adds every lane to its one element of `out`, which is read and written once.

extern "C" __global__ void mix(float* out, const float* y, const float* scale, int R, int C, int P, long long total)
{
    const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;   // (n, c, p)
    if (at >= total) return;
    const int plane = (int)(at / P), c = plane % C, n = plane / C;
    const float* lane = y + ((long long)n * R * C + c) * P + at % P;
    float sum = out[at];
    for (int r = 0; r < R; ++r) sum += scale[r * C + c] * lane[(long long)r * C * P];
    out[at] = sum;
}
