// How Python and the emulated driver call a kernel: EMU_EXPORT(K) makes emu_launch_K and emu_sizes_K.
#pragma once
#include "engine.h"
#include <type_traits>
#include <utility>

namespace emu {
#ifdef EMU_FIBERS
const bool FIBERS = true;
#else
const bool FIBERS = false;  // no barrier in the text: threads run as a plain loop
#endif

template <class... A>
struct Call {
  static inline void (*kernel)(A...);
  static inline void** arguments;
  template <size_t... I>
  static void apply(std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A>*>(arguments[I])...);
  }
  static void body() { apply(std::index_sequence_for<A...>{}); }
};

template <class... A>
static int launch(void (*k)(A...), const unsigned* g, const unsigned* b, unsigned shared, void** arguments, uint64_t seed) {
  Call<A...>::kernel = k;
  Call<A...>::arguments = arguments;
  return launch(Call<A...>::body, FIBERS, g, b, shared, seed);
}

// The bytes of each parameter; the list ends in 0.
template <class... A>
static const size_t* sizes(void (*)(A...)) {
  static const size_t found[] = {sizeof(std::remove_cv_t<A>)..., 0};
  return found;
}
}  // namespace emu

#define EMU_EXPORT(K)                                                                                               \
  extern "C" const size_t* emu_sizes_##K() { return emu::sizes(K); }                                                \
  extern "C" int emu_launch_##K(const unsigned* grid_, const unsigned* block_, unsigned shared_, void** arguments_, \
                                uint64_t seed_) {                                                                   \
    return emu::launch(K, grid_, block_, shared_, arguments_, seed_);                                               \
  }
