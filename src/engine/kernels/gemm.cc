// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/gemm.h"

#include <dnnl.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "core/machine.h"
#include "engine/kernels/bf16_few_rows.h"
#include "engine/kernels/vector_ops.h"

// Of the OpenMP runtime that oneDNN is linked with; <omp.h> is not there for every compiler.
extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int count);
}

namespace tandem::engine {
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

void check(dnnl_status_t status, const char* what) {
  if (status != dnnl_success)
    throw DeviceError("oneDNN: {} failed with status {}", what, static_cast<int>(status));
}

// oneDNN's C objects, freed when they go.
struct Destroy {
  void operator()(dnnl_engine_t engine) const { dnnl_engine_destroy(engine); }
  void operator()(dnnl_stream_t stream) const { dnnl_stream_destroy(stream); }
  void operator()(dnnl_primitive_t primitive) const { dnnl_primitive_destroy(primitive); }
  void operator()(dnnl_primitive_desc_t desc) const { dnnl_primitive_desc_destroy(desc); }
  void operator()(dnnl_memory_t memory) const { dnnl_memory_destroy(memory); }
};
template <typename T>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, Destroy>;

dnnl_memory_desc_t strided(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride,
                           dnnl_data_type_t type) {
  const dnnl_dims_t sizes = {rows, columns}, strides = {row_stride, column_stride};
  dnnl_memory_desc_t desc;
  check(dnnl_memory_desc_init_by_strides(&desc, 2, sizes, type, strides), "a matrix");
  return desc;
}

// One shape of product. Making one takes 30 us, so each thread keeps those it has used.
class Bf16Product {
 public:
  Bf16Product(dnnl_engine_t engine, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb,
              int64_t ldc) {
    const dnnl_memory_desc_t a = strided(m, k, lda, 1, dnnl_bf16),
                             b = strided(k, n, 1, ldb, dnnl_bf16),
                             c = strided(m, n, ldc, 1, dnnl_f32);
    dnnl_matmul_desc_t matmul;
    check(dnnl_matmul_desc_init(&matmul, &a, &b, nullptr, &c), "a bfloat16 product");
    dnnl_primitive_desc_t desc = nullptr;
    check(dnnl_primitive_desc_create(&desc, &matmul, nullptr, engine, nullptr),
          "a bfloat16 product");
    const Owned<dnnl_primitive_desc_t> owned_desc(desc);
    dnnl_primitive_t primitive = nullptr;
    check(dnnl_primitive_create(&primitive, desc), "a bfloat16 product");
    primitive_.reset(primitive);
    a_ = memory(a, engine);
    b_ = memory(b, engine);
    c_ = memory(c, engine);
  }

  void run(dnnl_stream_t stream, const uint16_t* a, const uint16_t* b, float* c) const {
    // The interface takes what it only reads as writable, too.
    check(dnnl_memory_set_data_handle(a_.get(), const_cast<uint16_t*>(a)), "a product's operand");
    check(dnnl_memory_set_data_handle(b_.get(), const_cast<uint16_t*>(b)), "a product's operand");
    check(dnnl_memory_set_data_handle(c_.get(), c), "a product's result");
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, a_.get()}, {DNNL_ARG_WEIGHTS, b_.get()}, {DNNL_ARG_DST, c_.get()}};
    check(dnnl_primitive_execute(primitive_.get(), stream, 3, arguments), "a bfloat16 product");
    check(dnnl_stream_wait(stream), "a bfloat16 product");
  }

 private:
  static Owned<dnnl_memory_t> memory(const dnnl_memory_desc_t& desc, dnnl_engine_t engine) {
    dnnl_memory_t result = nullptr;
    check(dnnl_memory_create(&result, &desc, engine, DNNL_MEMORY_NONE), "a matrix");
    return Owned<dnnl_memory_t>(result);
  }

  Owned<dnnl_primitive_t> primitive_;
  Owned<dnnl_memory_t> a_, b_, c_;
};

// What one thread needs of oneDNN.
class Bf16Products {
 public:
  Bf16Products() {
    dnnl_engine_t engine = nullptr;
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "the CPU");
    engine_.reset(engine);
    dnnl_stream_t stream = nullptr;
    check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "a stream");
    stream_.reset(stream);
  }

  void run(int64_t m, int64_t n, int64_t k, const uint16_t* a, int64_t lda, const uint16_t* b,
           int64_t ldb, float* c, int64_t ldc) {
    constexpr size_t kMaxShapes = 256;  // prompts of many lengths pass by in a long life
    if (shapes_.size() >= kMaxShapes) shapes_.clear();
    const Shape shape = {m, n, k, lda, ldb, ldc};
    auto found = shapes_.find(shape);
    if (found == shapes_.end())
      found = shapes_.try_emplace(shape, engine_.get(), m, n, k, lda, ldb, ldc).first;
    found->second.run(stream_.get(), a, b, c);
  }

 private:
  using Shape = std::array<int64_t, 6>;
  Owned<dnnl_engine_t> engine_;
  Owned<dnnl_stream_t> stream_;
  std::map<Shape, Bf16Product> shapes_;
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

bool has_bf16_products() {
  static const bool has = [] {
    const std::string set = describe_machine().instruction_set;
    return set == "avx512_bf16" || set == "amx";
  }();
  return has;
}

namespace {

void check_sizes(const char* name, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb,
                 int64_t ldc) {
  if (m < 0 || n < 0 || k < 0 || lda < k || ldb < k || ldc < n)
    throw ShapeError("{}: sizes {} x {} x {} do not fit row strides {}, {}, {}", name, m, n, k, lda,
                     ldb, ldc);
}

}  // namespace

void bf16_gemm(int64_t m, int64_t n, int64_t k, const uint16_t* a, int64_t lda, const uint16_t* b,
               int64_t ldb, float* c, int64_t ldc) {
  constexpr int64_t kFewRows = 16;
  check_sizes("bf16_gemm", m, n, k, lda, ldb, ldc);
  if (m == 0 || n == 0) return;
  if (m <= kFewRows) return bf16_few_rows(m, n, k, a, lda, b, ldb, c, ldc);
  if (k == 0 || !has_bf16_products()) return bf16_gemm_widened(m, n, k, a, lda, b, ldb, c, ldc);
  const OneOpenMpThread one;
  thread_local Bf16Products products;
  products.run(m, n, k, a, lda, b, ldb, c, ldc);
}

void bf16_gemm_widened(int64_t m, int64_t n, int64_t k, const uint16_t* a, int64_t lda,
                       const uint16_t* b, int64_t ldb, float* c, int64_t ldc) {
  check_sizes("bf16_gemm_widened", m, n, k, lda, ldb, ldc);
  if (m == 0 || n == 0) return;
  thread_local std::vector<float> wide;
  wide.resize((m + n) * k);
  float *wide_a = wide.data(), *wide_b = wide_a + m * k;
  for (int64_t i = 0; i < m; ++i) widen_bf16(a + i * lda, k, wide_a + i * k);
  for (int64_t j = 0; j < n; ++j) widen_bf16(b + j * ldb, k, wide_b + j * k);
  sgemm(false, true, m, n, k, 1, wide_a, k, wide_b, k, 0, c, ldc);
}

}  // namespace tandem::engine
