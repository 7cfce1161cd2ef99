// Memory: allocations are filled with 0xFF (NaN), so that nothing is zero by chance.
#include "driver.h"
#include <cstdlib>
#include <cstring>

Counters counters;
std::string last_error;

Status refuse(Status status, const std::string& why) {
  last_error = why;
  return status;
}

namespace {
std::map<char*, size_t> live;

bool on_device(const void* p) {
  auto after = live.upper_bound(static_cast<char*>(const_cast<void*>(p)));
  if (after == live.begin()) return false;
  --after;
  return p < after->first + (after->second ? after->second : 1);
}

enum Way { BETWEEN_HOSTS, TO_DEVICE, TO_HOST, ON_DEVICE };
Way way(const void* to, const void* from) {
  if (on_device(to)) return on_device(from) ? ON_DEVICE : TO_DEVICE;
  return on_device(from) ? TO_HOST : BETWEEN_HOSTS;
}

Status copy(void* to, const void* from, size_t bytes) {
  switch (way(to, from)) {
    case TO_DEVICE: ++counters.h2d, counters.h2d_bytes += bytes; break;
    case TO_HOST: ++counters.d2h, counters.d2h_bytes += bytes; break;
    case ON_DEVICE: ++counters.d2d, counters.d2d_bytes += bytes; break;
    case BETWEEN_HOSTS: break;
  }
  memmove(to, from, bytes);
  return OK;
}
}  // namespace

extern "C" {
Status cudaMalloc(void** p, size_t bytes) {
  if (Status status = refuse_in_capture("an allocation")) return status;
  if (posix_memalign(p, 256, bytes ? bytes : 1)) return refuse(NO_MEMORY, "out of memory");
  memset(*p, 0xFF, bytes);
  live[static_cast<char*>(*p)] = bytes;
  ++counters.mallocs;
  counters.live_bytes += bytes;
  if (counters.live_bytes > counters.peak_bytes) counters.peak_bytes = counters.live_bytes;
  return OK;
}
Status cudaFree(void* p) {
  if (!p) return OK;
  if (Status status = refuse_in_capture("a release of memory")) return status;
  auto found = live.find(static_cast<char*>(p));
  if (found == live.end()) return refuse(BAD_VALUE, "cudaFree of what cudaMalloc did not give");
  counters.live_bytes -= found->second;
  ++counters.frees;
  live.erase(found);
  free(p);
  return OK;
}
Status cudaMallocAsync(void** p, size_t bytes, void*) { return cudaMalloc(p, bytes); }
Status cudaFreeAsync(void* p, void*) { return cudaFree(p); }
Status cudaHostAlloc(void** p, size_t bytes, unsigned) { return posix_memalign(p, 4096, bytes ? bytes : 1) ? NO_MEMORY : OK; }
Status cudaFreeHost(void* p) { free(p); return OK; }
Status cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  *total = size_t(4) << 30;
  *free_bytes = *total - counters.live_bytes;
  return OK;
}
Status cudaPointerGetAttributes(void* out, const void* p) {
  struct { int device; void *on_device, *on_host; } found = {0, const_cast<void*>(p), nullptr};
  memcpy(out, &found, sizeof found);
  return OK;
}
Status cudaMemcpy(void* to, const void* from, size_t bytes, int) {
  ++counters.syncs;
  if (Status status = refuse_in_capture("a copy that waits")) return status;
  return copy(to, from, bytes);
}
// A copy from or to the host in a graph would be repeated with whatever then lies at its address: refused.
Status cudaMemcpyAsync(void* to, const void* from, size_t bytes, int, void* stream) {
  if (is_capturing(stream) && way(to, from) != ON_DEVICE)
    return refuse(NOT_IN_CAPTURE, "a copy between host and device while a graph is captured");
  return enqueue(stream, [=] { return copy(to, from, bytes); });
}
Status cudaMemset(void* p, int value, size_t bytes) {
  if (Status status = refuse_in_capture("a memset that waits")) return status;
  ++counters.memsets;
  memset(p, value, bytes);
  return OK;
}
Status cudaMemsetAsync(void* p, int value, size_t bytes, void* stream) {
  return enqueue(stream, [=] { return cudaMemset(p, value, bytes); });
}
}
