// Never instrumented by a sanitiser: it would see one stack turn into another.
#include "fibers.h"
#include <cstddef>
#include <sys/mman.h>
#ifndef __x86_64__
#include <ucontext.h>
#endif

#ifdef EMU_ASAN
extern "C" void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, size_t size);
extern "C" void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, size_t* size);
extern "C" void __asan_unpoison_memory_region(const volatile void*, size_t);
#endif
#ifdef EMU_TSAN
extern "C" void* __tsan_get_current_fiber();
extern "C" void* __tsan_create_fiber(unsigned);
extern "C" void __tsan_destroy_fiber(void*);
extern "C" void __tsan_switch_to_fiber(void*, unsigned);
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);
#endif

namespace emu {
namespace {
#if defined(EMU_ASAN) || defined(EMU_TSAN)
const size_t STACK = 256 << 10;  // sanitisers put red zones around locals
#else
const size_t STACK = 64 << 10;
#endif

Fiber host;
void (*entry_point)();

// ---- switching stacks
#ifdef __x86_64__
extern "C" void emu_switch(void** save, void* load);
asm(".text\n.hidden emu_switch\n.type emu_switch,@function\nemu_switch:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp,(%rdi)\n  mov %rsi,%rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n  ret\n"
    ".size emu_switch,.-emu_switch\n");

void set_up(Fiber& f, void (*start)()) {
  void** top = reinterpret_cast<void**>(f.stack + STACK);
  *--top = nullptr;  // the alignment that a called function expects
  *--top = reinterpret_cast<void*>(start);
  for (int i = 0; i < 6; ++i) *--top = nullptr;  // the registers that emu_switch pops
  f.at = top;
}
void switch_stacks(Fiber& from, Fiber& to) { emu_switch(&from.at, to.at); }
#else
ucontext_t* context(Fiber& f) {
  if (!f.at) f.at = new ucontext_t;
  return static_cast<ucontext_t*>(f.at);
}
void set_up(Fiber& f, void (*start)()) {
  ucontext_t* c = context(f);
  getcontext(c);
  c->uc_stack.ss_sp = f.stack;
  c->uc_stack.ss_size = STACK;
  c->uc_link = nullptr;
  makecontext(c, start, 0);
}
void switch_stacks(Fiber& from, Fiber& to) { swapcontext(context(from), context(to)); }
#endif

// ---- telling the sanitisers
#ifdef EMU_ASAN
const void* host_bottom;
size_t host_size;
void leave_for(Fiber& to, void** fake) {
  if (&to == &host) __sanitizer_start_switch_fiber(fake, host_bottom, host_size);
  else __sanitizer_start_switch_fiber(fake, to.stack, STACK);
}
void arrive(Fiber& at, void* fake) {
  if (&at == &host) __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
  else __sanitizer_finish_switch_fiber(fake, &host_bottom, &host_size);
}
#else
void leave_for(Fiber&, void**) {}
void arrive(Fiber&, void*) {}
#endif
#ifdef EMU_TSAN
void name_current(Fiber& f) { __tsan_switch_to_fiber(f.known, 1); }  // 1: the switch itself orders nothing
void acquire(void* token) { __tsan_acquire(token); }
void release(void* token) { __tsan_release(token); }
#else
void name_current(Fiber&) {}
void acquire(void*) {}
void release(void*) {}
#endif
char launch_token;

void change(Fiber& from, Fiber& to) {
  void* fake = nullptr;
  name_current(to);
  leave_for(to, &fake);
  switch_stacks(from, to);
  arrive(from, fake);
}

void first_steps() {
#ifdef EMU_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &host_bottom, &host_size);
#endif
  entry_point();
}

void new_stack(Fiber& f) {
#ifdef EMU_TSAN  // never an old one: its former owner's accesses would look like a race
  if (f.stack) munmap(f.stack, STACK);
  f.stack = nullptr;
  if (f.known) __tsan_destroy_fiber(f.known);
  f.known = __tsan_create_fiber(0);
#endif
  if (!f.stack)
    f.stack = static_cast<char*>(mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
#ifdef EMU_ASAN
  __asan_unpoison_memory_region(f.stack, STACK);
#endif
}
}  // namespace

void begin(Fiber& f, void (*entry)()) {
  entry_point = entry;
  new_stack(f);
  set_up(f, first_steps);
}
void resume(Fiber& f) { change(host, f); }
void pause(Fiber& f) { change(f, host); }
void finish(Fiber& f) {
  release(&launch_token);
  for (;;) pause(f);
}

void meet(Fiber** fibers, int count) {
#ifdef EMU_TSAN
  static char tokens[1 << 16];  // a new one each time: an old one would order more than this meeting
  static unsigned event;
  char& token = tokens[event++ % sizeof tokens];
  for (int i = 0; i < count; ++i) { name_current(*fibers[i]); release(&token); }
  for (int i = 0; i < count; ++i) { name_current(*fibers[i]); acquire(&token); }
  name_current(host);
#else
  (void)fibers, (void)count;
#endif
}
void launch_begins() {
#ifdef EMU_TSAN
  host.known = __tsan_get_current_fiber();
#endif
}
void launch_ends() { acquire(&launch_token); }
}  // namespace emu
