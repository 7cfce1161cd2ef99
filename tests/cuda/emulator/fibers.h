// Fibers: a CUDA thread is a function on a stack of its own, which runs until it waits or ends.
// Everything happens in one OS thread; -DEMU_ASAN and -DEMU_TSAN tell a sanitiser what happens.
#pragma once

namespace emu {

struct Fiber {
  char* stack = nullptr;
  void* at = nullptr;     // where it goes on: its stack pointer, or its ucontext
  void* known = nullptr;  // ThreadSanitizer's name for it
};

void begin(Fiber&, void (*entry)());  // its next resume() starts entry(), which ends in finish()
void resume(Fiber&);                  // called by the host: runs until the fiber calls pause()
void pause(Fiber&);                   // called by the fiber: back to the host
[[noreturn]] void finish(Fiber&);

// For ThreadSanitizer: what each of them did before now happens before whatever any of them does next.
void meet(Fiber** fibers, int count);
void launch_begins();
void launch_ends();

}  // namespace emu
