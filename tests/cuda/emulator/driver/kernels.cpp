// NVRTC and the driver's modules: a "cubin" is the path of a library that build.py made.
#include "driver.h"
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

std::map<std::string, uint64_t> launched;
uint64_t thread_order;

namespace {
// Python's side: fills `path`, or `log` and returns nonzero.
using Compiler = Status (*)(const char* source, const char* options, char* path, char* log, int capacity);
Compiler compiler;

struct Program { std::string source, path, log; };
struct Module { void* library; };
struct Function {
  std::string name;
  const size_t* sizes;
  int (*run)(const unsigned*, const unsigned*, unsigned, void**, uint64_t);
  const char* (*error)();
  size_t (*shared_used)();
  int most_shared = 48 << 10;
};
template <class F> void find(Module* m, const std::string& name, F& f) { f = reinterpret_cast<F>(dlsym(m->library, name.c_str())); }
Status give(const std::string& s, char* out) { strcpy(out, s.c_str()); return OK; }
Status give_size(const std::string& s, size_t* out) { *out = s.size() + 1; return OK; }
}  // namespace

extern "C" {
void emu_set_compiler(Compiler c) { compiler = c; }
void emu_set_order(uint64_t seed) { thread_order = seed; }
Counters* emu_counters() { return &counters; }
const char* emu_last_error() { return last_error.c_str(); }
void emu_note(const char* what) { last_error = what; }
const char* emu_launched() {  // "name count" a line
  static std::string text;
  text.clear();
  for (auto& [name, count] : launched) text += name + " " + std::to_string(count) + "\n";
  return text.c_str();
}

Status nvrtcVersion(int* major, int* minor) { *major = 13; *minor = 0; return OK; }
const char* nvrtcGetErrorString(Status) { return "the text does not compile for the CPU"; }
Status nvrtcGetNumSupportedArchs(int* n) { *n = 1; return OK; }
Status nvrtcGetSupportedArchs(int* archs) { *archs = 80; return OK; }
Status nvrtcCreateProgram(Program** p, const char* source, const char*, int, const char**, const char**) { *p = new Program{source, "", ""}; return OK; }
Status nvrtcDestroyProgram(Program** p) { delete *p; *p = nullptr; return OK; }
Status nvrtcCompileProgram(Program* p, int n, const char** options) {
  std::string joined;
  for (int i = 0; i < n; ++i) joined += std::string(options[i]) + "\n";
  std::vector<char> path(4096), log(1 << 20);
  const Status status = compiler(p->source.c_str(), joined.c_str(), path.data(), log.data(), int(log.size()));
  p->path = path.data();
  p->log = log.data();
  return status;
}
Status nvrtcGetCUBINSize(Program* p, size_t* n) { return give_size(p->path, n); }
Status nvrtcGetCUBIN(Program* p, char* out) { return give(p->path, out); }
Status nvrtcGetPTXSize(Program* p, size_t* n) { return give_size(p->path, n); }
Status nvrtcGetPTX(Program* p, char* out) { return give(p->path, out); }
Status nvrtcGetProgramLogSize(Program* p, size_t* n) { return give_size(p->log, n); }
Status nvrtcGetProgramLog(Program* p, char* out) { return give(p->log, out); }
Status nvrtcAddNameExpression(Program*, const char*) { return BAD_VALUE; }

Status cuGetErrorName(Status e, const char** s) { *s = e == FAILED ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR"; return OK; }
Status cuGetErrorString(Status, const char** s) { *s = last_error.c_str(); return OK; }
Status cuCtxGetCurrent(void** c) { *c = reinterpret_cast<void*>(1); return OK; }
Status cuCtxSetCurrent(void*) { return OK; }
Status cuCtxGetDevice(int* device) { *device = 0; return OK; }

Status cuModuleLoadData(Module** m, const char* path) {
  if (Status status = refuse_in_capture("loading a kernel")) return status;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return refuse(BAD_VALUE, dlerror());
  *m = new Module{library};
  return OK;
}
Status cuModuleUnload(Module* m) { delete m; return OK; }
Status cuModuleGetFunction(Function** f, Module* m, const char* name) {
  const size_t* (*sizes)();
  find(m, std::string("emu_sizes_") + name, sizes);
  if (!sizes) return refuse(NOT_FOUND, std::string("no kernel ") + name);
  auto* k = new Function{name, sizes(), nullptr, nullptr, nullptr};
  find(m, std::string("emu_launch_") + name, k->run);
  find(m, "emu_error", k->error);
  find(m, "emu_shared_used", k->shared_used);
  *f = k;
  return OK;
}
Status cuFuncGetAttribute(int* value, int attribute, Function*) { *value = attribute == 0 ? 1024 : 0; return OK; }
Status cuFuncSetAttribute(Function* f, int attribute, int value) {
  if (attribute == 8) f->most_shared = value;
  return value <= 227 << 10 ? OK : BAD_VALUE;
}

Status cuLaunchKernel(Function* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared, void* stream, void** parameters, void**) {
  if (!gx || !gy || !gz || !bx || !by || !bz || uint64_t(bx) * by * bz > 1024 || bz > 64 || gy > 65535 || gz > 65535 ||
      gx > 0x7fffffffu || int(shared) > f->most_shared)
    return refuse(BAD_LAUNCH, f->name + ": a launch outside the limits");
  std::vector<std::vector<char>> held;  // a launch takes copies of its parameters
  for (const size_t* size = f->sizes; *size; ++size, ++parameters)
    held.emplace_back(static_cast<char*>(*parameters), static_cast<char*>(*parameters) + *size);
  return enqueue(stream, [=]() mutable -> Status {
    std::vector<void*> arguments;
    for (auto& h : held) arguments.push_back(h.data());
    const unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
    ++counters.launches;
    ++launched[f->name];
    if (f->run(grid, block, shared, arguments.data(), thread_order)) return refuse(FAILED, f->name + ": " + f->error());
    if (f->shared_used() > size_t(f->most_shared)) return refuse(BAD_LAUNCH, f->name + ": too much shared memory");
    return OK;
  });
}
}
