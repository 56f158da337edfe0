// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/causal_attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "core/error.h"
#include "engine/kernels/gemm.h"
#include "learn/ops/element_types.h"
#include "learn/ops/kernels.h"

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

// One row of the batch: its keys, and the rows of q that are its queries.
struct Row {
  int64_t begin, end, first_query, last_query;
};

// What the tasks share.
struct Plan {
  AttentionShape shape;
  std::vector<Row> rows;
  std::vector<int64_t> positions;  // of the queries

  int64_t group() const { return shape.heads / shape.kv_heads; }
  int64_t block() const { return std::max(kLeastQueries, kBlockRows / group()); }
};

// A block of queries of one row and one group of heads; its score rows are query by query, heads
// inside. It needs keys [first_key, end_key) of the row.
struct Block {
  int64_t first_query, count, first_key, end_key;
  int64_t keys() const { return end_key - first_key; }
};

template <typename F>
void for_blocks(const Plan& plan, const Row& row, const F& f) {
  for (int64_t q = row.first_query; q < row.last_query; q += plan.block()) {
    const int64_t count = std::min(plan.block(), row.last_query - q);
    const int64_t first = plan.positions[q] - row.begin;
    const int64_t window = plan.shape.window;
    f(Block{q, count, window > 0 ? std::max<int64_t>(0, first - window + 1) : 0,
            plan.positions[q + count - 1] - row.begin + 1});
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
    const int64_t own = plan.positions[block.first_query + i] - row.begin - block.first_key;
    const int64_t from =
        plan.shape.window > 0 ? std::max<int64_t>(0, own - plan.shape.window + 1) : 0;
    for (int64_t head = 0; head < group; ++head) {
      A* scores = out + (i * group + head) * width;
      std::fill(scores, scores + from, A{0});
      softmax_in_place(scores + from, own + 1 - from);
      std::fill(scores + own + 1, scores + width, A{0});
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
  thread_local std::vector<A> buffers[8];
  if (static_cast<int64_t>(buffers[which].size()) < count) buffers[which].resize(count);
  return buffers[which].data();
}

template <typename T, typename A>
void forward_all(const Plan& plan, const T* q, const T* k, const T* v, T* out) {
  const int64_t dim = plan.shape.head_dim, block_rows = plan.block() * plan.group();
  const A factor = 1 / std::sqrt(static_cast<A>(dim));
  for_tasks(plan, [&](const Row& row, int64_t kv_head) {
    const int64_t length = row.end - row.begin;
    A *keys = scratch<A>(0, length * dim), *values = scratch<A>(1, length * dim);
    A *queries = scratch<A>(2, block_rows * dim), *mixed = scratch<A>(3, block_rows * dim);
    A* weights = scratch<A>(4, block_rows * length);
    gather_keys(plan, row, kv_head, k, keys);
    gather_keys(plan, row, kv_head, v, values);
    for_blocks(plan, row, [&](const Block& block) {
      const int64_t rows = block.count * plan.group(), width = block.keys();
      gather(plan, block, kv_head, q, factor, queries);
      probabilities(plan, row, block, queries, keys, weights);
      gemm(false, false, rows, dim, width, weights, width, values + block.first_key * dim, dim,
           false, mixed, dim);
      scatter(plan, block, kv_head, mixed, A{1}, out);
    });
  });
}

// With P the probabilities and S the scores before softmax:
//   dv += P^T do,   dP = do v^T,   dS = P (dP - sum(P dP)),   dq = dS k / sqrt(d),   dk += dS^T q /
//   sqrt(d)
template <typename T, typename A>
void backward_all(const Plan& plan, const T* q, const T* k, const T* v, const T* dout, T* dq, T* dk,
                  T* dv) {
  const int64_t dim = plan.shape.head_dim, block_rows = plan.block() * plan.group();
  const A factor = 1 / std::sqrt(static_cast<A>(dim));
  for_tasks(plan, [&](const Row& row, int64_t kv_head) {
    const int64_t length = row.end - row.begin;
    A *keys = scratch<A>(0, length * dim), *values = scratch<A>(1, length * dim);
    A *queries = scratch<A>(2, block_rows * dim), *grads = scratch<A>(3, block_rows * dim);
    A *weights = scratch<A>(4, block_rows * length), *dweights = scratch<A>(5, block_rows * length);
    A *dkeys = scratch<A>(6, length * dim), *dvalues = scratch<A>(7, length * dim);
    gather_keys(plan, row, kv_head, k, keys);
    gather_keys(plan, row, kv_head, v, values);
    std::fill(dkeys, dkeys + length * dim, A{0});
    std::fill(dvalues, dvalues + length * dim, A{0});
    for_blocks(plan, row, [&](const Block& block) {
      const int64_t rows = block.count * plan.group(), width = block.keys();
      const int64_t offset = block.first_key * dim;
      gather(plan, block, kv_head, q, factor, queries);
      gather(plan, block, kv_head, dout, A{1}, grads);
      probabilities(plan, row, block, queries, keys, weights);
      gemm(true, false, width, dim, rows, weights, width, grads, dim, true, dvalues + offset, dim);
      gemm(false, true, rows, width, dim, grads, dim, values + offset, dim, false, dweights, width);
      for (int64_t r = 0; r < rows; ++r) {
        const A* __restrict p = weights + r * width;
        A* __restrict d = dweights + r * width;
        A lanes[8] = {};
        int64_t i = 0;
        for (; i + 8 <= width; i += 8)
          for (int lane = 0; lane < 8; ++lane) lanes[lane] += p[i + lane] * d[i + lane];
        for (; i < width; ++i) lanes[0] += p[i] * d[i];
        const A dot = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
                      ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
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

Plan make_plan(const AttentionShape& shape, int64_t num_positions, const at::Tensor& row_starts,
               const at::Tensor& wanted) {
  Plan plan{shape, {}, {}};
  const int64_t* starts = row_starts.const_data_ptr<int64_t>();
  if (wanted.defined()) {
    const int64_t* from = wanted.const_data_ptr<int64_t>();
    plan.positions.assign(from, from + wanted.numel());
  } else {
    for (int64_t p = 0; p < num_positions; ++p) plan.positions.push_back(p);
  }
  for (size_t i = 0; i < plan.positions.size(); ++i) {
    if (plan.positions[i] < (i == 0 ? 0 : plan.positions[i - 1] + 1) ||
        plan.positions[i] >= num_positions)
      throw ShapeError("causal_attention: wanted[{}] = {}, expected ascending ones below {}", i,
                       plan.positions[i], num_positions);
  }
  const auto index = [&](int64_t position) {
    return std::lower_bound(plan.positions.begin(), plan.positions.end(), position) -
           plan.positions.begin();
  };
  for (int64_t row = 0; row + 1 < row_starts.numel(); ++row) {
    if (starts[row] > starts[row + 1] || starts[row] < 0 || starts[row + 1] > num_positions)
      throw ShapeError("causal_attention: row {} is {} to {} of {} positions", row, starts[row],
                       starts[row + 1], num_positions);
    plan.rows.push_back({starts[row], starts[row + 1], index(starts[row]), index(starts[row + 1])});
  }
  return plan;
}

struct CausalAttention : torch::autograd::Function<CausalAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const at::Tensor& row_starts,
                            const std::optional<at::Tensor>& some, const AttentionShape& shape) {
    const at::Tensor wanted = some.value_or(at::Tensor());
    const Plan plan = make_plan(shape, k.size(0), row_starts, wanted);
    at::Tensor out = at::empty_like(q);
    dispatch_element_type(
        "causal_attention", q.scalar_type(), [&](auto* of_element, auto of_arithmetic) {
          using T = std::remove_pointer_t<decltype(of_element)>;
          forward_all<T, decltype(of_arithmetic)>(plan, q.const_data_ptr<T>(),
                                                  k.const_data_ptr<T>(), v.const_data_ptr<T>(),
                                                  out.data_ptr<T>());
        });
    context->save_for_backward({q, k, v, row_starts, wanted});
    context->saved_data["shape"] =
        std::vector<int64_t>{shape.heads, shape.kv_heads, shape.head_dim, shape.window};
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2];
    const std::vector<int64_t> s = context->saved_data["shape"].toIntVector();
    const Plan plan = make_plan({s[0], s[1], s[2], s[3]}, k.size(0), saved[3], saved[4]);
    const at::Tensor dout = gradients[0].contiguous();
    at::Tensor dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
    dispatch_element_type(
        "causal_attention", q.scalar_type(), [&](auto* of_element, auto of_arithmetic) {
          using T = std::remove_pointer_t<decltype(of_element)>;
          backward_all<T, decltype(of_arithmetic)>(
              plan, q.const_data_ptr<T>(), k.const_data_ptr<T>(), v.const_data_ptr<T>(),
              dout.const_data_ptr<T>(), dq.data_ptr<T>(), dk.data_ptr<T>(), dv.data_ptr<T>());
        });
    return {dq, dk, dv, {}, {}, {}};
  }
};

// Positions [begin, begin + count) of x as [heads, count, dim], each head `repeat` times.
at::Tensor heads_of(const at::Tensor& x, int64_t begin, int64_t count, int64_t dim,
                    int64_t repeat) {
  return x.narrow(0, begin, count)
      .reshape({count, x.size(1) / dim, dim})
      .transpose(0, 1)
      .repeat_interleave(repeat, 0);
}

// [queries, T] of a row: true where a query must not look.
at::Tensor hidden_from(const Plan& plan, const Row& row) {
  const std::vector<int64_t> queries(plan.positions.begin() + row.first_query,
                                     plan.positions.begin() + row.last_query);
  const at::Tensor at_query = at::tensor(queries, at::kLong).unsqueeze(1);
  const at::Tensor at_key = at::arange(row.begin, row.end, at::kLong).unsqueeze(0);
  const at::Tensor later = at_key.gt(at_query);
  if (plan.shape.window == 0) return later;
  return later.logical_or(at_key.le(at_query - plan.shape.window));
}

void check(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k,
           const at::Tensor& v, const at::Tensor& row_starts, const at::Tensor& wanted) {
  if (shape.head_dim < 1 || shape.kv_heads < 1 || shape.heads % shape.kv_heads != 0 ||
      shape.heads < 1 || shape.window < 0)
    throw ShapeError("causal_attention: {} heads, {} key heads, head size {}, window {}",
                     shape.heads, shape.kv_heads, shape.head_dim, shape.window);
  const int64_t queries = wanted.defined() ? wanted.numel() : k.size(0);
  if (q.dim() != 2 || k.dim() != 2 || k.sizes() != v.sizes() || q.size(0) != queries ||
      q.size(1) != shape.heads * shape.head_dim || k.size(1) != shape.kv_heads * shape.head_dim ||
      q.scalar_type() != k.scalar_type() || q.scalar_type() != v.scalar_type())
    throw ShapeError("causal_attention: q [{}, {}], k [{}, {}], v [{}, {}], {} queries wanted",
                     q.size(0), q.size(-1), k.size(0), k.size(-1), v.size(0), v.size(-1), queries);
  if (row_starts.dim() != 1 || row_starts.numel() < 1 || row_starts.scalar_type() != at::kLong ||
      row_starts.select(0, 0).item<int64_t>() != 0 ||
      row_starts.select(0, -1).item<int64_t>() != k.size(0))
    throw ShapeError("causal_attention: rows do not cover the {} positions", k.size(0));
}

}  // namespace

at::Tensor causal_attention(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const at::Tensor& row_starts,
                            const at::Tensor& wanted) {
  if (!takes_kernel(q)) return causal_attention_composed(shape, q, k, v, row_starts, wanted);
  check(shape, q, k, v, row_starts, wanted);
  return CausalAttention::apply(
      q.contiguous(), k.contiguous(), v.contiguous(), row_starts.contiguous(),
      std::optional<at::Tensor>(wanted.defined() ? wanted.contiguous() : wanted), shape);
}

at::Tensor causal_attention_composed(const AttentionShape& shape, const at::Tensor& q,
                                     const at::Tensor& k, const at::Tensor& v,
                                     const at::Tensor& row_starts, const at::Tensor& wanted) {
  check(shape, q, k, v, row_starts, wanted);
  const int64_t dim = shape.head_dim, group = shape.heads / shape.kv_heads;
  const Plan plan = make_plan(shape, k.size(0), row_starts, wanted);
  std::vector<at::Tensor> results;
  for (const Row& row : plan.rows) {
    const int64_t length = row.end - row.begin, queries = row.last_query - row.first_query;
    if (queries == 0) continue;
    const at::Tensor keys = heads_of(k, row.begin, length, dim, group).unsqueeze(0);
    const at::Tensor values = heads_of(v, row.begin, length, dim, group).unsqueeze(0);
    const at::Tensor asking = heads_of(q, row.first_query, queries, dim, 1).unsqueeze(0);
    // Without a mask the fast kernels of a device can be taken.
    const bool plain = queries == length && shape.window == 0;
    const std::optional<at::Tensor> visible =
        plain ? std::nullopt : std::optional(hidden_from(plan, row).logical_not().to(q.device()));
    const at::Tensor mixed =
        at::scaled_dot_product_attention(asking, keys, values, visible, 0.0, plain);
    results.push_back(mixed.squeeze(0).transpose(0, 1).reshape({queries, q.size(1)}));
  }
  return results.empty() ? at::empty_like(q) : at::cat(results);
}

at::Tensor causal_attention_reference(const AttentionShape& shape, const at::Tensor& q,
                                      const at::Tensor& k, const at::Tensor& v,
                                      const at::Tensor& row_starts, const at::Tensor& wanted,
                                      at::Tensor* probabilities) {
  check(shape, q, k, v, row_starts, wanted);
  const int64_t dim = shape.head_dim, group = shape.heads / shape.kv_heads;
  const Plan plan = make_plan(shape, k.size(0), row_starts, wanted);
  std::vector<at::Tensor> results;
  for (const Row& row : plan.rows) {
    const int64_t length = row.end - row.begin, queries = row.last_query - row.first_query;
    const at::Tensor keys = heads_of(k, row.begin, length, dim, group);
    const at::Tensor values = heads_of(v, row.begin, length, dim, group);
    const at::Tensor scores =
        at::matmul(heads_of(q, row.first_query, queries, dim, 1), keys.transpose(1, 2)) /
        std::sqrt(static_cast<double>(dim));
    const at::Tensor hidden = hidden_from(plan, row).to(scores.device());
    const at::Tensor p =
        at::softmax(scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()), -1);
    if (probabilities && &row == &plan.rows.front()) *probabilities = p;
    results.push_back(at::matmul(p, values).transpose(0, 1).reshape({queries, q.size(1)}));
  }
  return at::cat(results);
}

}  // namespace tandem::learn
