// Random numbers written into an array where it lies: the draws of engine/random.py.
//
//     word    w[4·b + m] = word m of Philox4x64-10 with counter (b + 1, step, index, 0) and key (seed, purpose)
//     uniform x = low + (high - low)·u      u = ⌊w/2⁴⁰⌋/2²⁴
//     normal  x = scale·√(-2 ln(u + 2⁻²⁴))·cos 2πv      v = (w mod 2²⁴)/2²⁴
//     mask    x = 0 where h < ⌊2¹⁶p + ½⌋, else 1/(1 - p)      h[4·i + m] = bits 16m ... 16m + 15 of w[i]
//
// A thread makes one block of four words. Computed in double and rounded once, as NumPy does; __dmul_rn and
// __dadd_rn keep the compiler from fusing product and sum, which would change bits.

#include "philox.cuh"

// step + *clock counts: `clock` goes on where a recorded launch is replayed
extern "C" __global__ void uniform(float* out, unsigned long long count, unsigned long long seed, unsigned long long purpose, unsigned long long step,
                                   const long long* clock, unsigned long long index, double low, double high)
{
    const unsigned long long block = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (4 * block >= count) return;
    unsigned long long words[4];
    philox(words, block, seed, purpose, step + *clock, index);
    #pragma unroll
    for (int m = 0; m < 4; ++m) {
        if (4 * block + m >= count) return;
        const double u = (double)(words[m] >> 40) * (1.0 / 16777216.0);
        out[4 * block + m] = (float)__dadd_rn(low, __dmul_rn(high - low, u));
    }
}

extern "C" __global__ void normal(float* out, unsigned long long count, unsigned long long seed, unsigned long long purpose, unsigned long long step,
                                  const long long* clock, unsigned long long index, double scale)
{
    const unsigned long long block = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (4 * block >= count) return;
    unsigned long long words[4];
    philox(words, block, seed, purpose, step + *clock, index);
    #pragma unroll
    for (int m = 0; m < 4; ++m) {
        if (4 * block + m >= count) return;
        const double u = ((double)(words[m] >> 40) + 1.0) * (1.0 / 16777216.0);
        const double v = (double)(words[m] & 0xFFFFFF) * (1.0 / 16777216.0);
        out[4 * block + m] = (float)(scale * sqrt(-2.0 * log(u)) * cospi(2.0 * v));
    }
}

// least: ⌊2¹⁶p + ½⌋; scale: 1/(1 - p)
extern "C" __global__ void mask(float* out, unsigned long long count, unsigned long long seed, unsigned long long purpose, unsigned long long step,
                                const long long* clock, unsigned long long index, int least, float scale)
{
    const unsigned long long block = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (16 * block >= count) return;
    unsigned long long words[4];
    philox(words, block, seed, purpose, step + *clock, index);
    #pragma unroll
    for (int m = 0; m < 16; ++m) {
        if (16 * block + m >= count) return;
        const int h = (int)(words[m / 4] >> (16 * (m % 4)) & 0xFFFF);
        out[16 * block + m] = h < least ? 0.f : scale;
    }
}
