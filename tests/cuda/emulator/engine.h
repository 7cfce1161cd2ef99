// What a kernel's text, made readable for g++ by cuda.h, asks of the machine that runs it.
#pragma once
#include <cstddef>
#include <cstdint>

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x = 1, y = 1, z = 1; };
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace emu {

void* shared(const void* key, size_t bytes);  // the present block's instance of one __shared__ variable
void* dynamic_shared();
void sync_block(int line);
void sync_warp(unsigned mask, int line);
// Every lane of mask offers *value; it becomes what lane src offered.
void exchange(unsigned mask, void* value, size_t bytes, int src, int line);
int lane();

// Runs body() once a thread. fibers: threads may wait for each other; without, each runs to its end.
// seed: the order of blocks, warps and lanes. 0 as they are numbered, 1 reversed, else a random one.
int launch(void (*body)(), bool fibers, const unsigned* grid, const unsigned* block, unsigned shared, uint64_t seed);

}  // namespace emu
