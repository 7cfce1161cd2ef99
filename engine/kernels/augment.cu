// Random crop, flip and cutout of images, every draw a function of the key and the image's number.
//
//     t, l, m, r, s = the words 5·i … 5·i + 4 of the key, halved, for image i
//     crop     x[c, h, w] = pixel[c, h + t mod (2p + 1) - p, w + l mod (2p + 1) - p] / 255, 0 beyond the image
//     flip     w → W - 1 - w where m is odd
//     cutout   x[c, h, w] = fill[c] for h - r mod H and w - s mod W in [-⌊q/2⌋, q - ⌊q/2⌋)
//
// p, q: `crop` and `cutout`. A block alters one image: five threads draw its words, then all copy pixels.

#include "philox.cuh"

#define DRAWS 5   // words an image

// x (n, C, H, W), pixels (count, C, H, W), rows (n) in [0, count), fill (C); grid n
extern "C" __global__ void altered(float* x, const unsigned char* pixels, const long long* rows, const float* fill,
                                   unsigned long long seed, unsigned long long purpose, unsigned long long step,
                                   unsigned long long index, int C, int H, int W, int crop, bool flip, int cutout)
{
    __shared__ unsigned long long drawn[DRAWS];
    const long long image = rows[blockIdx.x];
    if (threadIdx.x < DRAWS) {
        const unsigned long long at = DRAWS * image + threadIdx.x, m = at % 4;
        unsigned long long words[4];
        philox(words, at / 4, seed, purpose, step, index);
        drawn[threadIdx.x] = (m == 0 ? words[0] : m == 1 ? words[1] : m == 2 ? words[2] : words[3]) >> 1;
    }
    __syncthreads();
    const int down = (int)(drawn[0] % (2 * crop + 1)) - crop, right = (int)(drawn[1] % (2 * crop + 1)) - crop;
    const bool mirrored = flip && drawn[2] % 2 == 1;
    const int top = (int)(drawn[3] % H) - cutout / 2, left = (int)(drawn[4] % W) - cutout / 2;
    for (int at = threadIdx.x; at < C * H * W; at += blockDim.x) {
        const int c = at / (H * W), h = at / W % H, w = at % W;
        const int from_h = h + down, from_w = (mirrored ? W - 1 - w : w) + right;
        const bool inside = from_h >= 0 && from_h < H && from_w >= 0 && from_w < W;
        const bool hidden = h >= top && h < top + cutout && w >= left && w < left + cutout;
        const float value = inside ? pixels[((image * C + c) * H + from_h) * W + from_w] / 255.f : 0.f;
        x[(long long)blockIdx.x * C * H * W + at] = hidden ? fill[c] : value;
    }
}
