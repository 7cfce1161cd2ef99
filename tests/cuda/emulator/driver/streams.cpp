// Devices, streams, events, graphs. A graph is the list of what its stream was asked to do while it captured.
#include "driver.h"
#include <chrono>

namespace {
struct Graph { std::vector<Work> nodes; };
struct Stream { Graph* graph = nullptr; };
struct Event { double ms; };
Stream default_stream;
int captures;  // under way
Stream* at(void* s) { return uintptr_t(s) <= 2 ? &default_stream : static_cast<Stream*>(s); }
double now() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
}  // namespace

bool is_capturing(void* stream) { return at(stream)->graph != nullptr; }
bool any_capture() { return captures > 0; }
Status refuse_in_capture(const std::string& what) {
  return any_capture() ? refuse(NOT_IN_CAPTURE, what + " while a graph is captured") : OK;
}
Status enqueue(void* stream, Work work) {
  if (!is_capturing(stream)) {
    const Status status = refuse_in_capture("work on another stream");
    return status ? status : work();
  }
  at(stream)->graph->nodes.push_back(std::move(work));
  return OK;
}

extern "C" {
const char* cudaGetErrorName(Status e) {
  return e == NO_MEMORY ? "cudaErrorMemoryAllocation" : e == NOT_IN_CAPTURE ? "cudaErrorStreamCaptureUnsupported" : "cudaError";
}
const char* cudaGetErrorString(Status) { return last_error.c_str(); }
Status cudaGetLastError() { return OK; }
Status cudaDriverGetVersion(int* v) { *v = 13000; return OK; }
Status cudaRuntimeGetVersion(int* v) { *v = 13000; return OK; }
Status cudaGetDeviceCount(int* n) { *n = 1; return OK; }
Status cudaGetDevice(int* d) { *d = 0; return OK; }
Status cudaSetDevice(int d) { return d ? refuse(BAD_VALUE, "there is one device") : OK; }
Status cudaGetDeviceProperties(void*, int) { return OK; }  // CuPy's stub build says them (cupy_build.py)
Status cudaDeviceGetAttribute(int* value, int attribute, int) {
  static const std::map<int, int> known = {
      {1, 1024}, {2, 1024}, {3, 1024}, {4, 64},           // threads of a block, and along x, y, z
      {5, 0x7fffffff}, {6, 65535}, {7, 65535},            // blocks along x, y, z
      {8, 48 << 10}, {10, 32}, {16, 4}, {75, 8}, {76, 0}  // shared memory, warp, multiprocessors, compute capability
  };
  auto found = known.find(attribute);
  *value = found == known.end() ? 0 : found->second;
  return OK;
}

Status cudaDeviceSynchronize() { ++counters.syncs; return refuse_in_capture("a synchronisation"); }
Status cudaStreamCreate(Stream** s) { *s = new Stream; return OK; }
Status cudaStreamCreateWithFlags(Stream** s, unsigned) { return cudaStreamCreate(s); }
Status cudaStreamCreateWithPriority(Stream** s, unsigned, int) { return cudaStreamCreate(s); }
Status cudaStreamDestroy(Stream* s) { delete s; return OK; }
Status cudaStreamSynchronize(void* s) {
  ++counters.syncs;
  return is_capturing(s) ? refuse_in_capture("a synchronisation") : OK;
}
Status cudaStreamQuery(void* s) { return is_capturing(s) ? refuse_in_capture("a question to the stream") : OK; }
Status cudaStreamWaitEvent(void*, void*, unsigned) { return OK; }
Status cudaStreamIsCapturing(void* s, int* v) { *v = is_capturing(s); return OK; }
Status cudaStreamBeginCapture(void* s, int) {
  if (at(s) == &default_stream) return refuse(NOT_IN_CAPTURE, "a capture of the default stream");
  at(s)->graph = new Graph;
  ++captures;
  return OK;
}
Status cudaStreamEndCapture(void* s, Graph** g) {
  *g = at(s)->graph;
  at(s)->graph = nullptr;
  --captures;
  return OK;
}

Status cudaGraphInstantiate(Graph** e, Graph* g, ...) { *e = new Graph(*g); return OK; }
Status cudaGraphDestroy(Graph* g) { delete g; return OK; }
Status cudaGraphExecDestroy(Graph* g) { delete g; return OK; }
Status cudaGraphUpload(Graph*, void*) { return OK; }
Status cudaGraphLaunch(Graph* g, void*) {
  ++counters.graph_launches;
  if (Status status = refuse_in_capture("the launch of a graph")) return status;
  for (auto& node : g->nodes)
    if (Status e = node()) return e;
  return OK;
}

Status cudaEventCreate(Event** e) { *e = new Event{0}; return OK; }
Status cudaEventCreateWithFlags(Event** e, unsigned) { return cudaEventCreate(e); }
Status cudaEventDestroy(Event* e) { delete e; return OK; }
Status cudaEventRecord(Event* e, void*) { e->ms = now(); return OK; }
Status cudaEventQuery(Event*) { return OK; }
Status cudaEventSynchronize(Event*) { ++counters.syncs; return refuse_in_capture("a synchronisation"); }
Status cudaEventElapsedTime(float* ms, Event* a, Event* b) { *ms = float(b->ms - a->ms); return OK; }
}
