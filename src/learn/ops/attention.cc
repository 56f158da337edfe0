// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "engine/kernels/gemm.h"
#include "learn/ops/element_types.h"
#include "learn/ops/kernels.h"
#include "learn/ops/lane_sum.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kBlockRows = 128;    // rows of a score block: queries times heads of a group
constexpr int64_t kLeastQueries = 16;  // queries of a block even where a group has many heads

void gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
          const float* b, int64_t ldb, bool add, float* c, int64_t ldc) {
  engine::sgemm(ta, tb, m, n, k, 1, a, lda, b, ldb, add ? 1.0f : 0.0f, c, ldc);
}

// For gradient checks.
void gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const double* a, int64_t lda,
          const double* b, int64_t ldb, bool add, double* c, int64_t ldc) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = add ? c[i * ldc + j] : 0;
      for (int64_t p = 0; p < k; ++p)
        sum += (ta ? a[p * lda + i] : a[i * lda + p]) * (tb ? b[j * ldb + p] : b[p * ldb + j]);
      c[i * ldc + j] = sum;
    }
  }
}

// One row of the batch: its keys, and the rows of q that are its queries; where its saved
// probabilities lie, `pairs` a group of heads.
struct Row {
  int64_t begin, end, first_query, last_query, first_pair = 0, pairs = 0;
};

// A block of queries of one row and one group of heads; its score rows are query by query, heads
// inside. It needs keys [first_key, end_key) of the row. `pair` counts the row's pairs before it.
struct Block {
  int64_t first_query, count, first_key, end_key, pair;
  int64_t keys() const { return end_key - first_key; }
};

// What the tasks share.
struct Plan {
  AttentionShape shape;
  std::vector<Row> rows;
  const int64_t *begin, *end;  // of each query's keys
  const uint8_t* keep;         // or null
  int64_t keep_width;          // L
  double keep_factor;          // 1 / (1 - p)
  int64_t pairs = 0;           // of all rows and groups

  int64_t group() const { return shape.heads / shape.kv_heads; }
  int64_t block() const { return std::max(kLeastQueries, kBlockRows / group()); }
};

template <typename F>
void for_blocks(const Plan& plan, const Row& row, const F& f) {
  int64_t pair = 0;
  for (int64_t q = row.first_query; q < row.last_query; q += plan.block()) {
    const int64_t count = std::min(plan.block(), row.last_query - q);
    const int64_t first = *std::min_element(plan.begin + q, plan.begin + q + count) - row.begin;
    const int64_t last = *std::max_element(plan.end + q, plan.end + q + count) - row.begin;
    f(Block{q, count, first, last, pair});
    pair += count * plan.group() * (last - first);
  }
}

// Copies one head group's columns of the block's queries, times a factor, to [count * group, dim].
template <typename T, typename A>
void gather(const Plan& plan, const Block& block, int64_t kv_head, const T* x, A factor, A* out) {
  const int64_t width = plan.shape.heads * plan.shape.head_dim;
  const int64_t span = plan.group() * plan.shape.head_dim;
  for (int64_t i = 0; i < block.count; ++i) {
    const T* __restrict from = x + (block.first_query + i) * width + kv_head * span;
    A* __restrict to = out + i * span;
    for (int64_t j = 0; j < span; ++j) to[j] = static_cast<A>(from[j]) * factor;
  }
}

template <typename T, typename A>
void scatter(const Plan& plan, const Block& block, int64_t kv_head, const A* x, A factor, T* out) {
  const int64_t width = plan.shape.heads * plan.shape.head_dim;
  const int64_t span = plan.group() * plan.shape.head_dim;
  for (int64_t i = 0; i < block.count; ++i) {
    const A* __restrict from = x + i * span;
    T* __restrict to = out + (block.first_query + i) * width + kv_head * span;
    for (int64_t j = 0; j < span; ++j) to[j] = static_cast<T>(from[j] * factor);
  }
}

// Keys or values of one row and head, [T, dim].
template <typename T, typename A>
void gather_keys(const Plan& plan, const Row& row, int64_t kv_head, const T* x, A* out) {
  const int64_t dim = plan.shape.head_dim, width = plan.shape.kv_heads * dim;
  for (int64_t t = row.begin; t < row.end; ++t) {
    const T* __restrict from = x + t * width + kv_head * dim;
    A* __restrict to = out + (t - row.begin) * dim;
    for (int64_t j = 0; j < dim; ++j) to[j] = static_cast<A>(from[j]);
  }
}

template <typename T, typename A>
void scatter_keys(const Plan& plan, const Row& row, int64_t kv_head, const A* x, T* out) {
  const int64_t dim = plan.shape.head_dim, width = plan.shape.kv_heads * dim;
  for (int64_t t = row.begin; t < row.end; ++t) {
    const A* __restrict from = x + (t - row.begin) * dim;
    T* __restrict to = out + t * width + kv_head * dim;
    for (int64_t j = 0; j < dim; ++j) to[j] = static_cast<T>(from[j]);
  }
}

// Probabilities of a block, [count * group, keys]; zero where a query may not look.
template <typename A>
void probabilities(const Plan& plan, const Row& row, const Block& block, const A* q, const A* keys,
                   A* out) {
  const int64_t dim = plan.shape.head_dim, group = plan.group(), width = block.keys();
  gemm(false, true, block.count * group, width, dim, q, dim, keys + block.first_key * dim, dim,
       false, out, width);
  for (int64_t i = 0; i < block.count; ++i) {
    const int64_t offset = row.begin + block.first_key;
    const int64_t begin = plan.begin[block.first_query + i] - offset,
                  end = plan.end[block.first_query + i] - offset;
    for (int64_t head = 0; head < group; ++head) {
      A* scores = out + (i * group + head) * width;
      std::fill(scores, scores + begin, A{0});
      softmax_in_place(scores + begin, end - begin);
      std::fill(scores + end, scores + width, A{0});
    }
  }
}

// to = from * keep / (1 - p), [count * group, keys], at different places.
template <typename A>
void drop(const Plan& plan, const Block& block, int64_t kv_head, const A* from, A* to) {
  const int64_t group = plan.group(), width = block.keys();
  const auto factor = static_cast<A>(plan.keep_factor);
  for (int64_t i = 0; i < block.count; ++i) {
    const uint8_t* kept =
        plan.keep + block.first_key +
        ((block.first_query + i) * plan.shape.heads + kv_head * group) * plan.keep_width;
    for (int64_t head = 0; head < group; ++head, kept += plan.keep_width) {
      const uint8_t* __restrict keep = kept;
      const A* __restrict in = from + (i * group + head) * width;
      A* __restrict out = to + (i * group + head) * width;
      for (int64_t j = 0; j < width; ++j) out[j] = in[j] * (factor * static_cast<A>(keep[j]));
    }
  }
}

// task(row, kv_head) on libtorch's threads.
template <typename F>
void for_tasks(const Plan& plan, const F& task) {
  const auto count = static_cast<int64_t>(plan.rows.size()) * plan.shape.kv_heads;
  at::parallel_for(0, count, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      task(plan.rows[i / plan.shape.kv_heads], i % plan.shape.kv_heads);
  });
}

// One thread's memory, from task to task.
template <typename A>
A* scratch(int which, int64_t count) {
  thread_local std::vector<A> buffers[9];
  if (static_cast<int64_t>(buffers[which].size()) < count) buffers[which].resize(count);
  return buffers[which].data();
}

// saved: where the probabilities are kept, or null.
template <typename T, typename A>
void forward_all(const Plan& plan, const T* q, const T* k, const T* v, T* out, A* saved) {
  const int64_t dim = plan.shape.head_dim, block_rows = plan.block() * plan.group();
  const A factor = 1 / std::sqrt(static_cast<A>(dim));
  for_tasks(plan, [&](const Row& row, int64_t kv_head) {
    const int64_t length = row.end - row.begin;
    A *keys = scratch<A>(0, length * dim), *values = scratch<A>(1, length * dim);
    A *queries = scratch<A>(2, block_rows * dim), *mixed = scratch<A>(3, block_rows * dim);
    A* made = scratch<A>(4, block_rows * length);
    A* dropped = plan.keep ? scratch<A>(5, block_rows * length) : nullptr;
    gather_keys(plan, row, kv_head, k, keys);
    gather_keys(plan, row, kv_head, v, values);
    for_blocks(plan, row, [&](const Block& block) {
      const int64_t rows = block.count * plan.group(), width = block.keys();
      A* weights = saved ? saved + row.first_pair + kv_head * row.pairs + block.pair : made;
      gather(plan, block, kv_head, q, factor, queries);
      probabilities(plan, row, block, queries, keys, weights);
      if (plan.keep) drop(plan, block, kv_head, weights, dropped);
      gemm(false, false, rows, dim, width, plan.keep ? dropped : weights, width,
           values + block.first_key * dim, dim, false, mixed, dim);
      scatter(plan, block, kv_head, mixed, A{1}, out);
    });
  });
}

// With P the probabilities, W = m P those after dropout and S the scores before softmax:
//   dv += W^T do,   dP = m (do v^T),   dS = P (dP - sum(P dP)),   dq = dS k / sqrt(d),
//   dk += dS^T q / sqrt(d)
template <typename T, typename A>
void backward_all(const Plan& plan, const T* q, const T* k, const T* v, const T* dout, T* dq, T* dk,
                  T* dv, const A* saved) {
  const int64_t dim = plan.shape.head_dim, block_rows = plan.block() * plan.group();
  const A factor = 1 / std::sqrt(static_cast<A>(dim));
  for_tasks(plan, [&](const Row& row, int64_t kv_head) {
    const int64_t length = row.end - row.begin;
    A *keys = scratch<A>(0, length * dim), *values = scratch<A>(1, length * dim);
    A *queries = scratch<A>(2, block_rows * dim), *grads = scratch<A>(3, block_rows * dim);
    A *made = scratch<A>(4, block_rows * length), *dweights = scratch<A>(5, block_rows * length);
    A *dkeys = scratch<A>(6, length * dim), *dvalues = scratch<A>(7, length * dim);
    A* spare = plan.keep ? scratch<A>(8, block_rows * length) : dweights;  // of dP before dropout
    gather_keys(plan, row, kv_head, k, keys);
    gather_keys(plan, row, kv_head, v, values);
    std::fill(dkeys, dkeys + length * dim, A{0});
    std::fill(dvalues, dvalues + length * dim, A{0});
    for_blocks(plan, row, [&](const Block& block) {
      const int64_t rows = block.count * plan.group(), width = block.keys();
      const int64_t offset = block.first_key * dim;
      gather(plan, block, kv_head, q, factor, queries);
      gather(plan, block, kv_head, dout, A{1}, grads);
      const A* weights = made;
      if (saved) {
        weights = saved + row.first_pair + kv_head * row.pairs + block.pair;
      } else {
        probabilities(plan, row, block, queries, keys, made);
      }
      const A* dropped = weights;
      if (plan.keep) {
        drop(plan, block, kv_head, weights, dweights);
        dropped = dweights;
      }
      gemm(true, false, width, dim, rows, dropped, width, grads, dim, true, dvalues + offset, dim);
      gemm(false, true, rows, width, dim, grads, dim, values + offset, dim, false, spare, width);
      if (plan.keep) drop(plan, block, kv_head, spare, dweights);
      for (int64_t r = 0; r < rows; ++r) {
        const A* __restrict p = weights + r * width;
        A* __restrict d = dweights + r * width;
        const A dot = lane_sum<A>(width, [&](int64_t i) { return p[i] * d[i]; });
        for (int64_t j = 0; j < width; ++j) d[j] = p[j] * (d[j] - dot);
      }
      gemm(true, false, width, dim, rows, dweights, width, queries, dim, true, dkeys + offset, dim);
      gemm(false, false, rows, dim, width, dweights, width, keys + offset, dim, false, grads, dim);
      scatter(plan, block, kv_head, grads, factor, dq);
    });
    scatter_keys(plan, row, kv_head, dkeys, dk);
    scatter_keys(plan, row, kv_head, dvalues, dv);
  });
}

Plan make_plan(const AttentionShape& shape, const KeyRanges& ranges, const at::Tensor& keep,
               double p) {
  Plan plan{.shape = shape,
            .rows = {},
            .begin = ranges.begin.const_data_ptr<int64_t>(),
            .end = ranges.end.const_data_ptr<int64_t>(),
            .keep = keep.defined() ? keep.const_data_ptr<uint8_t>() : nullptr,
            .keep_width = keep.defined() ? keep.size(1) / shape.heads : 0,
            .keep_factor = 1 / (1 - p)};
  const int64_t *starts = ranges.row_starts.const_data_ptr<int64_t>(),
                *queries = ranges.query_starts.const_data_ptr<int64_t>();
  for (int64_t b = 0; b + 1 < ranges.row_starts.numel(); ++b) {
    Row row{.begin = starts[b],
            .end = starts[b + 1],
            .first_query = queries[b],
            .last_query = queries[b + 1],
            .first_pair = plan.pairs};
    for (int64_t i = row.first_query; i < row.last_query; ++i)
      if (plan.begin[i] < row.begin || plan.begin[i] >= plan.end[i] || plan.end[i] > row.end)
        throw ShapeError("attention: query {} sees keys {} to {} of a row from {} to {}", i,
                         plan.begin[i], plan.end[i], row.begin, row.end);
    for_blocks(plan, row, [&](const Block& block) {
      row.pairs = block.pair + block.count * plan.group() * block.keys();
    });
    plan.pairs += shape.kv_heads * row.pairs;
    plan.rows.push_back(row);
  }
  return plan;
}

struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const AttentionShape& shape,
                            const KeyRanges& ranges, const AttentionOptions& options) {
    const Plan plan = make_plan(shape, ranges, options.keep, options.p);
    at::Tensor out = at::empty_like(q), saved;
    dispatch_element_type("attention", q.scalar_type(), [&](auto* of_element, auto of_arithmetic) {
      using T = std::remove_pointer_t<decltype(of_element)>;
      using A = decltype(of_arithmetic);
      if (options.save_probabilities)
        saved = at::empty({plan.pairs}, q.options().dtype(c10::CppTypeToScalarType<A>::value));
      forward_all<T, A>(plan, q.const_data_ptr<T>(), k.const_data_ptr<T>(), v.const_data_ptr<T>(),
                        out.data_ptr<T>(), saved.defined() ? saved.data_ptr<A>() : nullptr);
    });
    context->save_for_backward({q, k, v, ranges.row_starts, ranges.query_starts, ranges.begin,
                                ranges.end, options.keep, saved});
    context->saved_data["shape"] =
        std::vector<int64_t>{shape.heads, shape.kv_heads, shape.head_dim};
    context->saved_data["p"] = options.p;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &probabilities = saved[8];
    const KeyRanges ranges{saved[3], saved[4], saved[5], saved[6]};
    const std::vector<int64_t> s = context->saved_data["shape"].toIntVector();
    const Plan plan =
        make_plan({s[0], s[1], s[2]}, ranges, saved[7], context->saved_data["p"].toDouble());
    const at::Tensor dout = gradients[0].contiguous();
    at::Tensor dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
    dispatch_element_type("attention", q.scalar_type(), [&](auto* of_element, auto of_arithmetic) {
      using T = std::remove_pointer_t<decltype(of_element)>;
      using A = decltype(of_arithmetic);
      backward_all<T, A>(plan, q.const_data_ptr<T>(), k.const_data_ptr<T>(), v.const_data_ptr<T>(),
                         dout.const_data_ptr<T>(), dq.data_ptr<T>(), dk.data_ptr<T>(),
                         dv.data_ptr<T>(),
                         probabilities.defined() ? probabilities.const_data_ptr<A>() : nullptr);
    });
    return {dq, dk, dv, {}, {}, {}};
  }
};

}  // namespace

at::Tensor attention(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k,
                     const at::Tensor& v, const KeyRanges& ranges,
                     const AttentionOptions& options) {
  check_attention(shape, q, k, v, ranges, options);
  if (!takes_kernel(q)) return attention_composed(shape, q, k, v, ranges, options);
  AttentionOptions kept = options;
  if (kept.keep.defined()) kept.keep = kept.keep.contiguous();
  return Attention::apply(q.contiguous(), k.contiguous(), v.contiguous(), shape, ranges, kept);
}

}  // namespace tandem::learn
