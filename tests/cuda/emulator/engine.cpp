// The machine: runs the blocks of a launch one after the other, and the threads of a block as fibers in an order
// that the seed decides. A warp runs ahead as far as it can, so what silently relies on an order goes wrong under
// some seed. Barriers that do not meet are reported with their lines.
#include "engine.h"
#include "fibers.h"
#include "shared.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>
#ifdef __x86_64__
#include <xmmintrin.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
extern "C" { int emu_tolerant; }  // 1: threads that have left do not spoil a __syncthreads (CuPy's own kernels)

namespace emu {
namespace {
enum State : uint8_t { READY, AT_BLOCK, AT_WARP, LEFT };

struct Thread {
  Fiber fiber;
  State state = READY;
  int line = 0;       // of the barrier where it waits
  unsigned mask = 0;  // the lanes of that warp barrier
  char offer[8];      // its value in an exchange
};

Thread threads[1024];
int count, current;  // threads of the block; the one that runs, -1 outside
void (*kernel)();
SharedMemory memory;
size_t dynamic_bytes;
char message[512];

// ---- order
uint64_t seed, random_state;
uint32_t below(uint32_t n) {  // xorshift64*, Vigna 2016
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return uint32_t(((random_state * 0x2545F4914F6CDD1Dull) >> 32) * n >> 32);
}
void arrange(int* v, int n) {
  if (seed == 1) for (int i = 0; i < n / 2; ++i) std::swap(v[i], v[n - 1 - i]);
  if (seed > 1) for (int i = n - 1; i > 0; --i) std::swap(v[i], v[below(i + 1)]);
}

// A permutation of 0 ... n-1 without a table: start, start + step, ... modulo n.
struct Walk {
  uint64_t n, at = 0, step = 1;
  explicit Walk(uint64_t size) : n(size) {
    if (seed == 1) at = n - 1, step = n > 1 ? n - 1 : 1;
    if (seed > 1) {
      at = below(uint32_t(n));
      do step = 1 + below(uint32_t(n)); while (divisor(step, n) != 1);
    }
  }
  uint64_t next() { uint64_t now = at; at = (at + step) % n; return now; }
  static uint64_t divisor(uint64_t x, uint64_t y) { while (y) { uint64_t t = x % y; x = y; y = t; } return x; }
};

// ---- errors
bool fail(const char* what, int a, int b) {
  snprintf(message, sizeof message, "%s (thread %d at line %d, thread %d at line %d; block %u,%u,%u)", what, a,
           threads[a].line, b, threads[b].line, blockIdx.x, blockIdx.y, blockIdx.z);
  return false;
}
[[noreturn]] void stop(const char* what, int line) {
  fprintf(stderr, "emulator: %s at line %d\n", what, line);
  abort();
}

// ---- waiting
void wait(State state, int line) {
  Thread& t = threads[current];
  t.state = state;
  t.line = line;
  pause(t.fiber);
}
void whole_thread() {
  kernel();
  threads[current].state = LEFT;
  finish(threads[current].fiber);
}
void let_go(const int* members, int n) {
  Fiber* met[1024];
  for (int i = 0; i < n; ++i) met[i] = &threads[members[i]].fiber;
  meet(met, n);
  for (int i = 0; i < n; ++i)
    if (threads[members[i]].state != LEFT) threads[members[i]].state = READY;
}

// Lets go of the warp barrier that this lane waits at, if all of its mask are there.
bool release_mask(int base, int lanes, int caller, bool& progress) {
  const unsigned mask = threads[base + caller].mask;
  int members[32], n = 0;
  if (!(mask >> caller & 1)) return fail("warp operation: the caller is not in its own mask", base + caller, base + caller);
  for (int l = 0; l < lanes; ++l) {
    if (!(mask >> l & 1)) continue;
    const Thread& other = threads[base + l];
    if (other.state == LEFT) return fail("warp operation: a lane of the mask has left the kernel", base + caller, base + l);
    if (other.state != AT_WARP || other.mask != mask) return true;
    if (other.line != threads[base + caller].line)
      return fail("warp operation: lanes wait at different lines", base + caller, base + l);
    members[n++] = base + l;
  }
  let_go(members, n);
  progress = true;
  return true;
}

bool run_warp(int base, int lanes) {
  for (;;) {
    int ready[32], n = 0;
    for (int l = 0; l < lanes; ++l) if (threads[base + l].state == READY) ready[n++] = base + l;
    arrange(ready, n);
    for (int i = 0; i < n; ++i) {
      current = ready[i];
      threadIdx = {current % blockDim.x, current / blockDim.x % blockDim.y, current / (blockDim.x * blockDim.y)};
      resume(threads[current].fiber);
    }
    bool progress = n > 0;
    for (int l = 0; n == 0 && l < lanes; ++l)
      if (threads[base + l].state == AT_WARP && !release_mask(base, lanes, l, progress)) return false;
    if (!progress) return true;
  }
}

// All threads that can run have run: they have left, or wait for the block.
bool release_block(bool& over) {
  int left = -1, waiting = -1, warp = -1, gone = 0, members[1024];
  for (int i = 0; i < count; ++i) {
    members[i] = i;
    if (threads[i].state == LEFT) left = i, ++gone;
    else if (threads[i].state == AT_WARP) warp = i;
    else {
      if (waiting >= 0 && threads[waiting].line != threads[i].line)
        return fail("divergent __syncthreads: threads wait at different lines", waiting, i);
      waiting = i;
    }
  }
  over = gone == count;
  if (over) return true;
  if (warp >= 0) return fail("deadlock at a warp operation", warp, waiting >= 0 ? waiting : left >= 0 ? left : warp);
  if (gone && !emu_tolerant) return fail("divergent __syncthreads: a thread has left the kernel", waiting, left);
  let_go(members, count);
  return true;
}

bool run_block_of_fibers() {
  for (int i = 0; i < count; ++i) {
    threads[i].state = READY;
    threads[i].line = 0;
    begin(threads[i].fiber, whole_thread);
  }
  for (bool over = false; !over;) {
    int warps[32], n = (count + 31) / 32;
    for (int w = 0; w < n; ++w) warps[w] = w * 32;
    arrange(warps, n);
    for (int i = 0; i < n; ++i)
      if (!run_warp(warps[i], count - warps[i] < 32 ? count - warps[i] : 32)) return false;
    if (!release_block(over)) return false;
  }
  current = -1;
  return true;
}

bool run_block_of_loops() {
  std::vector<int> order(count);
  for (int i = 0; i < count; ++i) order[i] = i;
  arrange(order.data(), count);
  for (int i : order) {
    threadIdx = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
    kernel();
  }
  return true;
}
}  // namespace

void* shared(const void* key, size_t bytes) { return memory.find(key, bytes); }
void* dynamic_shared() { return memory.dynamic(); }

void sync_block(int line) {
  if (current < 0) stop("a barrier in a kernel that was built as a plain loop", line);
  wait(AT_BLOCK, line);
}
void sync_warp(unsigned mask, int line) {
  if (current < 0) stop("a warp operation in a kernel that was built as a plain loop", line);
  threads[current].mask = mask;
  wait(AT_WARP, line);
}
void exchange(unsigned mask, void* value, size_t bytes, int src, int line) {
  memcpy(threads[current].offer, value, bytes);
  sync_warp(mask, line);
  const int other = (current & ~31) | (src & 31);
  if (mask >> (src & 31) & 1 && other < count) memcpy(value, threads[other].offer, bytes);
  else memset(value, 0xFF, bytes);  // undefined on a device
  sync_warp(mask, line);            // nobody offers again before all have read
}
int lane() { return int(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31; }

int launch(void (*body)(), bool fibers, const unsigned* g, const unsigned* b, unsigned shared_bytes, uint64_t order) {
  kernel = body;
  gridDim = {g[0], g[1], g[2]};
  blockDim = {b[0], b[1], b[2]};
  count = int(b[0] * b[1] * b[2]);
  dynamic_bytes = shared_bytes;
  seed = order;
  random_state = order * 0x9E3779B97F4A7C15ull + 1;
  message[0] = 0;
  current = -1;
  memory.new_launch();
  launch_begins();
#ifdef __x86_64__
  const unsigned csr = _mm_getcsr();
  _mm_setcsr(csr | 0x8040);  // denormals are zero: CuPy passes -ftz=true
#endif
  const uint64_t blocks = uint64_t(g[0]) * g[1] * g[2];
  Walk walk(blocks);
  bool ok = true;
  for (uint64_t i = 0; ok && i < blocks; ++i) {
    const uint64_t at = walk.next();
    blockIdx = {unsigned(at % g[0]), unsigned(at / g[0] % g[1]), unsigned(at / g[0] / g[1])};
    memory.new_block(dynamic_bytes);
    ok = fibers ? run_block_of_fibers() : run_block_of_loops();
  }
  current = -1;
  launch_ends();
#ifdef __x86_64__
  _mm_setcsr(csr);
#endif
  return ok ? 0 : 1;
}
}  // namespace emu

extern "C" const char* emu_error() { return emu::message; }
extern "C" size_t emu_shared_used() { return emu::memory.most(); }
