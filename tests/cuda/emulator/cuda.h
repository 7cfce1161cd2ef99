// Lets g++ compile the text of a CUDA C kernel: the language's keywords, vectors, warp operations, atomics and
// intrinsics. Floating point is the host's: __expf and the like are exact, rsqrtf is 1/sqrtf.
#pragma once
#include "engine.h"
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <type_traits>

// ---- keywords
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
static const int warpSize = 32;

// host.py writes `__shared__ T name[dims];` as EMU_SHARED(T, name, [dims]);
#define EMU_SHARED(T, name, dims)                      \
  static char emu_key_##name;                          \
  using emu_type_##name = T dims;                      \
  emu_type_##name& name = *static_cast<emu_type_##name*>(emu::shared(&emu_key_##name, sizeof(emu_type_##name)))

#define EMU_VECTORS(T, N)                                       \
  struct alignas(sizeof(T) * 2) N##2 { T x, y; };               \
  struct alignas(sizeof(T) * 4) N##4 { T x, y, z, w; };         \
  static inline N##2 make_##N##2(T x, T y) { return {x, y}; }   \
  static inline N##4 make_##N##4(T x, T y, T z, T w) { return {x, y, z, w}; }
EMU_VECTORS(float, float)
EMU_VECTORS(int, int)
EMU_VECTORS(unsigned, uint)

// ---- barriers and warps
#define __syncthreads() emu::sync_block(__LINE__)
#define __syncwarp(...) emu::sync_warp(emu::mask_or_all(__VA_ARGS__), __LINE__)
static inline void __threadfence() {}
static inline void __threadfence_block() {}

namespace emu {
static inline unsigned mask_or_all(unsigned mask = 0xffffffffu) { return mask; }

template <class T>
static inline T offered(unsigned mask, T value, int src, int line) {
  static_assert(sizeof(T) <= 8, "shuffles move at most 8 bytes");
  exchange(mask, &value, sizeof value, src, line);
  return value;
}
// width, a power of two, cuts the warp into groups; who would read beyond its group keeps its own value
static inline bool together(int a, int b, int width) { return (a & -width) == (b & -width); }
template <class T>
static inline T shuffle(unsigned mask, T v, int src, int width, int line) {
  return offered(mask, v, (lane() & -width) | (src & (width - 1)), line);
}
template <class T>
static inline T shuffle_by(unsigned mask, T v, int by, int width, int line) {
  const int me = lane(), src = me + by;
  return offered(mask, v, together(src, me, width) && src >= 0 ? src : me, line);
}
template <class T>
static inline T shuffle_xor(unsigned mask, T v, int bits, int width, int line) {
  const int me = lane(), src = me ^ bits;
  return offered(mask, v, (src & -width) <= (me & -width) ? src : me, line);
}
static inline unsigned ballot(unsigned mask, bool vote, int line) {
  unsigned votes = 0;
  for (int l = 0; l < 32; ++l)
    if (mask >> l & 1 && offered(mask, vote ? 1u : 0u, l, line) == 1u) votes |= 1u << l;
  return votes;
}
}  // namespace emu
#define EMU_ARGUMENTS(mask, v, s, width, ...) mask, v, s, width, __LINE__
#define EMU_NEGATED(mask, v, s, width, ...) mask, v, -int(s), width, __LINE__
#define __shfl_sync(...) emu::shuffle(EMU_ARGUMENTS(__VA_ARGS__, 32, 0))
#define __shfl_down_sync(...) emu::shuffle_by(EMU_ARGUMENTS(__VA_ARGS__, 32, 0))
#define __shfl_up_sync(...) emu::shuffle_by(EMU_NEGATED(__VA_ARGS__, 32, 0))
#define __shfl_xor_sync(...) emu::shuffle_xor(EMU_ARGUMENTS(__VA_ARGS__, 32, 0))
#define __ballot_sync(mask, vote) emu::ballot(mask, vote, __LINE__)
#define __any_sync(mask, vote) (emu::ballot(mask, vote, __LINE__) != 0)
#define __all_sync(mask, vote) (emu::ballot(mask, !(vote), __LINE__) == 0)

// ---- atomics: there is one OS thread, so they are real only where ThreadSanitizer is to see them
template <class T, class F>
static inline T emu_update(T* p, F f) {
#ifdef __SANITIZE_THREAD__
  T old, now;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  do now = f(old);
  while (!__atomic_compare_exchange(p, &old, &now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
#else
  const T old = *p;
  *p = f(old);
#endif
  return old;
}
#define EMU_VALUE std::common_type_t<T>  // of the pointer alone: a literal converts to it
template <class T> static inline T atomicAdd(T* p, EMU_VALUE v) { return emu_update(p, [=](T o) { return T(o + v); }); }
template <class T> static inline T atomicMax(T* p, EMU_VALUE v) { return emu_update(p, [=](T o) { return o > v ? o : v; }); }
template <class T> static inline T atomicMin(T* p, EMU_VALUE v) { return emu_update(p, [=](T o) { return o < v ? o : v; }); }
template <class T> static inline T atomicExch(T* p, EMU_VALUE v) { return emu_update(p, [=](T) { return v; }); }
template <class T> static inline T atomicCAS(T* p, EMU_VALUE c, EMU_VALUE v) { return emu_update(p, [=](T o) { return o == c ? v : o; }); }

// ---- arithmetic
template <class T> static inline T __ldg(const T* p) { return *p; }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
#define __expf expf  // macros: glibc declares functions of these names
#define __logf logf
#define __sinf sinf
#define __cosf cosf
#define __powf powf
static inline void sincospif(float x, float* s, float* c) { *s = float(sin(M_PI * x)); *c = float(cos(M_PI * x)); }
static inline float cospif(float x) { return float(cos(M_PI * double(x))); }
static inline double cospi(double x) { return cos(M_PI * x); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
static inline double __dmul_rn(double a, double b) { volatile double r = a * b; return r; }  // never fused with a sum
static inline double __dadd_rn(double a, double b) { volatile double r = a + b; return r; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
using std::isfinite; using std::isinf; using std::isnan; using std::signbit;
template <class A, class B> static inline std::common_type_t<A, B> min(A a, B b) { return b < a ? b : a; }
template <class A, class B> static inline std::common_type_t<A, B> max(A a, B b) { return a < b ? b : a; }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}

template <class D, class S> static inline D emu_bits(S s) { D d; memcpy(&d, &s, sizeof d); return d; }
static inline int __float_as_int(float x) { return emu_bits<int>(x); }
static inline float __int_as_float(int x) { return emu_bits<float>(x); }
static inline unsigned __float_as_uint(float x) { return emu_bits<unsigned>(x); }
static inline float __uint_as_float(unsigned x) { return emu_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return emu_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return emu_bits<double>(x); }

#ifdef __F16C__  // raw 16-bit halves, which CuPy's own headers need
#include <immintrin.h>
static inline unsigned short __float2half_rn(float x) { return _cvtss_sh(x, 0); }
static inline float __half2float(unsigned short x) { return _cvtsh_ss(x); }
template <class H> static inline unsigned short __half_as_ushort(const H& h) { unsigned short r; memcpy(&r, &h, 2); return r; }
struct half;  // CuPy defines it
template <class H = half> static inline H __ushort_as_half(unsigned short r) { H h; memcpy(&h, &r, 2); return h; }
#endif
