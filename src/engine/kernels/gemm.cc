// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/gemm.h"

#include <dnnl.h>

#include "core/error.h"

// Of the OpenMP runtime that oneDNN is linked with; <omp.h> is not there for every compiler.
extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int count);
}

namespace tandem {
namespace {

// One OpenMP thread for the calling thread while it lives. The old value comes back, because
// libtorch may share the runtime and the thread.
class OneOpenMpThread {
 public:
  OneOpenMpThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneOpenMpThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  int before_;
};

}  // namespace

void sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
           const float* a, int64_t lda, const float* b, int64_t ldb, float beta, float* c,
           int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (m < 0 || n < 0 || k < 0 || lda < (transpose_a ? m : k) || ldb < (transpose_b ? k : n) ||
      ldc < n)
    throw ShapeError("sgemm: sizes {} x {} x {} do not fit row strides {}, {}, {}", m, n, k, lda,
                     ldb, ldc);
  if (k == 0) {
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) c[i * ldc + j] = beta == 0 ? 0.0f : beta * c[i * ldc + j];
    return;
  }
  const OneOpenMpThread one;
  const dnnl_status_t status = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k,
                                          alpha, a, lda, b, ldb, beta, c, ldc);
  if (status != dnnl_success)
    throw ShapeError("sgemm: oneDNN refused {} x {} x {} (status {})", m, n, k,
                     static_cast<int>(status));
}

}  // namespace tandem
