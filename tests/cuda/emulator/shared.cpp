#include "shared.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace emu {
namespace {
const size_t LIMIT = 256 << 10;
char dynamic_key;

size_t rounded(size_t bytes) { return (bytes + 15) / 16 * 16; }
[[noreturn]] void stop(const char* why) {
  fprintf(stderr, "emulator: %s\n", why);
  abort();
}
}  // namespace

void SharedMemory::new_block(size_t dynamic_bytes) {
#ifdef EMU_ASAN  // an allocation a variable, of its very size
  for (int i = 0; i < count_; ++i) free(slots_[i].memory);
#elif defined(EMU_TSAN)  // never the same address twice: blocks do not race in shared memory
  if (size_t(end_ - at_) < LIMIT) start_ = nullptr;
#else
  at_ = start_;
#endif
#ifdef EMU_TSAN
  const size_t reserve = 64 << 20;
#else
  const size_t reserve = LIMIT;
#endif
  if (!start_) {
    start_ = at_ = static_cast<char*>(mmap(nullptr, reserve, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    end_ = start_ + reserve;
  }
  count_ = 0;
  now_ = 0;
  if (dynamic_bytes) find(&dynamic_key, dynamic_bytes);
}

char* SharedMemory::take(size_t bytes) {
  now_ += bytes;
  if (now_ > most_) most_ = now_;
#ifdef EMU_ASAN
  void* memory = nullptr;
  if (posix_memalign(&memory, 16, bytes)) stop("out of memory");
  char* p = static_cast<char*>(memory);
#else
  char* p = at_;
  at_ += rounded(bytes);
  if (at_ > end_) stop("more than 256 KiB of shared memory");
#endif
  memset(p, 0xFF, bytes);
  return p;
}

void* SharedMemory::find(const void* key, size_t bytes) {
  for (int i = 0; i < count_; ++i)
    if (slots_[i].key == key) return slots_[i].memory;
  if (count_ == SLOTS) stop("more than 64 __shared__ variables");
  slots_[count_] = {key, take(bytes)};
  return slots_[count_++].memory;
}

void* SharedMemory::dynamic() {
  for (int i = 0; i < count_; ++i)
    if (slots_[i].key == &dynamic_key) return slots_[i].memory;
  stop("extern __shared__ in a launch without dynamic shared memory");
}

}  // namespace emu
