// Every other pixel of each image, as a factorized reduce takes them.
//
//     even[i, j] = x[2i, 2j]        odd[i, j] = x[2i + 1, 2j + 1], 0 beyond x's last row and column
//
// x (planes, H, W), even and odd (planes, h, w), h = ⌈H/2⌉, w = ⌈W/2⌉. A warp takes a strip of a plane of what it
// writes; every element is written once.

// grid (⌈planes/blockDim.y⌉, strips), block (32, any)
extern "C" __global__ void apart(float* even, float* odd, const float* x, int planes, int H, int W)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y, h = (H + 1) / 2, w = (W + 1) / 2;
    if (plane >= planes) return;
    const float* image = x + (long long)plane * H * W;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < h * w; at += gridDim.y * 32) {
        const int row = at / w * 2, column = at % w * 2;
        const bool inside = row + 1 < H && column + 1 < W;
        even[(long long)plane * h * w + at] = image[row * W + column];
        odd[(long long)plane * h * w + at] = inside ? image[(row + 1) * W + column + 1] : 0.0f;
    }
}

// grid (⌈planes/blockDim.y⌉, strips), block (32, any)
extern "C" __global__ void together(float* x, const float* even, const float* odd, int planes, int H, int W)
{
    const int plane = blockIdx.x * blockDim.y + threadIdx.y, h = (H + 1) / 2, w = (W + 1) / 2;
    if (plane >= planes) return;
    for (int at = blockIdx.y * 32 + threadIdx.x; at < H * W; at += gridDim.y * 32) {
        const int row = at / W, column = at % W;
        const float* from = row % 2 ? odd : even;
        const long long place = ((long long)plane * h + row / 2) * w + column / 2;
        x[(long long)plane * H * W + at] = row % 2 == column % 2 ? from[place] : 0.0f;
    }
}
