// The products behind CuPy's matmul, tensordot and dot, column-major as cuBLAS has them, in plain loops.
#include "driver.h"

namespace {
template <class T>
void multiply(bool ta, bool tb, int rows, int columns, int inner, T alpha, const T* A, int lda, const T* B, int ldb, T beta,
              T* C, int ldc) {
  for (int j = 0; j < columns; ++j)
    for (int i = 0; i < rows; ++i) {
      T sum = 0;
      for (int p = 0; p < inner; ++p)
        sum += (ta ? A[p + size_t(i) * lda] : A[i + size_t(p) * lda]) * (tb ? B[j + size_t(p) * ldb] : B[p + size_t(j) * ldb]);
      T& c = C[i + size_t(j) * ldc];
      c = beta == 0 ? alpha * sum : alpha * sum + beta * c;
    }
}

enum Type { F32 = 0, F64 = 1 };
struct Shape { int ta, tb, rows, columns, inner, lda, ldb, ldc; };

Status one(int type, const Shape& s, const void* alpha, const void* A, const void* B, const void* beta, void* C) {
  if (type == F32)
    multiply<float>(s.ta, s.tb, s.rows, s.columns, s.inner, *(const float*)alpha, (const float*)A, s.lda, (const float*)B, s.ldb,
                    *(const float*)beta, (float*)C, s.ldc);
  else
    multiply<double>(s.ta, s.tb, s.rows, s.columns, s.inner, *(const double*)alpha, (const double*)A, s.lda, (const double*)B,
                     s.ldb, *(const double*)beta, (double*)C, s.ldc);
  return OK;
}
Status many(int at, int bt, int ct, const Shape& s, const void* alpha, const void* A, long long sa, const void* B, long long sb,
            const void* beta, void* C, long long sc, int batch) {
  if (at != bt || at != ct || at > F64) return refuse(15, "emulated cuBLAS multiplies float32 and float64 only");
  if (refuse_in_capture("cuBLAS")) return 14;
  ++counters.products;
  const size_t width = at == F32 ? 4 : 8;
  for (int q = 0; q < batch; ++q)
    one(at, s, alpha, (const char*)A + q * sa * width, (const char*)B + q * sb * width, beta, (char*)C + q * sc * width);
  return OK;
}
}  // namespace

extern "C" {
Status cublasCreate(void** h) { *h = reinterpret_cast<void*>(1); return OK; }
Status cublasDestroy(void*) { return OK; }
Status cublasGetVersion(void*, int* v) { *v = 130000; return OK; }
Status cublasSetStream(void*, void*) { return OK; }
Status cublasGetStream(void*, void** s) { *s = nullptr; return OK; }
Status cublasSetMathMode(void*, int) { return OK; }
Status cublasGetMathMode(void*, int* m) { *m = 0; return OK; }
Status cublasGetPointerMode(void*, int* m) { *m = 0; return OK; }
Status cublasSetPointerMode(void*, int) { return OK; }

#define GEMM_EX(NAME)                                                                                                    \
  Status NAME(void*, int ta, int tb, int m, int n, int k, const void* alpha, const void* A, int at, int lda, const void* B, \
              int bt, int ldb, const void* beta, void* C, int ct, int ldc, int, int) {                                   \
    return many(at, bt, ct, {ta, tb, m, n, k, lda, ldb, ldc}, alpha, A, 0, B, 0, beta, C, 0, 1);                         \
  }
#define GEMM_STRIDED(NAME)                                                                                               \
  Status NAME(void*, int ta, int tb, int m, int n, int k, const void* alpha, const void* A, int at, int lda,             \
              long long sa, const void* B, int bt, int ldb, long long sb, const void* beta, void* C, int ct, int ldc,    \
              long long sc, int batch, int, int) {                                                                       \
    return many(at, bt, ct, {ta, tb, m, n, k, lda, ldb, ldc}, alpha, A, sa, B, sb, beta, C, sc, batch);                  \
  }
#define GEMM(NAME, TYPE)                                                                                                 \
  Status NAME(void*, int ta, int tb, int m, int n, int k, const void* alpha, const void* A, int lda, const void* B,      \
              int ldb, const void* beta, void* C, int ldc) {                                                             \
    return many(TYPE, TYPE, TYPE, {ta, tb, m, n, k, lda, ldb, ldc}, alpha, A, 0, B, 0, beta, C, 0, 1);                   \
  }
#define GEMM_LIST(NAME, TYPE)                                                                                            \
  Status NAME(void*, int ta, int tb, int m, int n, int k, const void* alpha, const void** A, int lda, const void** B,    \
              int ldb, const void* beta, void** C, int ldc, int batch) {                                                 \
    if (refuse_in_capture("cuBLAS")) return 14;                                                                          \
    ++counters.products;                                                                                                 \
    for (int q = 0; q < batch; ++q) one(TYPE, {ta, tb, m, n, k, lda, ldb, ldc}, alpha, A[q], B[q], beta, C[q]);          \
    return OK;                                                                                                           \
  }
GEMM_EX(cublasGemmEx)
GEMM_EX(cublasGemmEx_v11)
GEMM_STRIDED(cublasGemmStridedBatchedEx)
GEMM_STRIDED(cublasGemmStridedBatchedEx_v11)
GEMM(cublasSgemm, F32)
GEMM(cublasDgemm, F64)
GEMM_LIST(cublasSgemmBatched, F32)
GEMM_LIST(cublasDgemmBatched, F64)
}
