// An emulated CUDA device for CuPy: the functions of the driver, the runtime, NVRTC and cuBLAS that it calls.
// Work is done at once, in the thread that asks for it; streams and events are counted and order nothing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

using Status = int;  // cudaError_t, CUresult, nvrtcResult, cublasStatus_t
enum : Status { OK = 0, BAD_VALUE = 1, NO_MEMORY = 2, BAD_LAUNCH = 9, NOT_FOUND = 500, FAILED = 719, NOT_IN_CAPTURE = 900 };

struct Counters {  // counters.py lists the same names in the same order
  uint64_t launches, products, h2d, h2d_bytes, d2h, d2h_bytes, d2d, d2d_bytes, memsets, syncs, mallocs, frees,
      live_bytes, peak_bytes, graph_launches;
};
extern Counters counters;
extern std::map<std::string, uint64_t> launched;  // by kernel
extern uint64_t thread_order;
extern std::string last_error;

Status refuse(Status status, const std::string& why);

using Work = std::function<Status()>;
Status enqueue(void* stream, Work work);  // now, or into the graph that the stream records
bool is_capturing(void* stream);
bool any_capture();  // of any stream: then nothing may be allocated, freed, loaded or waited for
Status refuse_in_capture(const std::string& what);  // NOT_IN_CAPTURE, or OK where nothing is captured
