// Philox4x64-10 (Salmon et al. 2011), with the counters of engine/random.py.

typedef unsigned long long word_t;

// the four words of block `block` of a key (seed, purpose, step, index); NumPy counts blocks from 1
__device__ __forceinline__ void philox(word_t words[4], word_t block, word_t seed, word_t purpose, word_t step, word_t index)
{
    words[0] = block + 1;
    words[1] = step;
    words[2] = index;
    words[3] = 0;
    #pragma unroll
    for (int round = 0; round < 10; ++round) {
        const word_t a = 0xD2E7470EE14C6C93ull, b = 0xCA5A826395121157ull;
        const word_t low_a = a * words[0], high_a = __umul64hi(a, words[0]);
        const word_t low_b = b * words[2], high_b = __umul64hi(b, words[2]);
        words[0] = high_b ^ words[1] ^ seed;
        words[1] = low_b;
        words[2] = high_a ^ words[3] ^ purpose;
        words[3] = low_a;
        seed += 0x9E3779B97F4A7C15ull;
        purpose += 0xBB67AE8584CAA73Bull;
    }
}
