// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "core/error.h"
#include "learn/ops/attention.h"

namespace tandem::learn {
namespace {

// Row b of the batch: its keys and its queries.
struct Row {
  int64_t begin, length, first_query, queries;
};

std::vector<Row> rows_of(const KeyRanges& ranges) {
  const int64_t *starts = ranges.row_starts.const_data_ptr<int64_t>(),
                *queries = ranges.query_starts.const_data_ptr<int64_t>();
  std::vector<Row> rows;
  for (int64_t b = 0; b + 1 < ranges.row_starts.numel(); ++b)
    rows.push_back({starts[b], starts[b + 1] - starts[b], queries[b], queries[b + 1] - queries[b]});
  return rows;
}

// Rows [begin, begin + count) of x as [heads, count, dim], each head `repeat` times.
at::Tensor heads_of(const at::Tensor& x, int64_t begin, int64_t count, int64_t dim,
                    int64_t repeat) {
  return x.narrow(0, begin, count)
      .reshape({count, x.size(1) / dim, dim})
      .transpose(0, 1)
      .repeat_interleave(repeat, 0);
}

// [queries, T] of a row: true where a query looks.
at::Tensor visible(const KeyRanges& ranges, const Row& row) {
  const auto of_queries = [&](const at::Tensor& x) {
    return x.narrow(0, row.first_query, row.queries).unsqueeze(1);
  };
  const at::Tensor keys = at::arange(row.begin, row.begin + row.length, at::kLong).unsqueeze(0);
  return keys.ge(of_queries(ranges.begin)).logical_and(keys.lt(of_queries(ranges.end)));
}

// Whether every position of the row asks and sees the row up to itself.
bool is_causal(const KeyRanges& ranges, const Row& row) {
  if (row.queries != row.length) return false;
  const int64_t *begin = ranges.begin.const_data_ptr<int64_t>() + row.first_query,
                *end = ranges.end.const_data_ptr<int64_t>() + row.first_query;
  for (int64_t i = 0; i < row.length; ++i)
    if (begin[i] != row.begin || end[i] != row.begin + i + 1) return false;
  return true;
}

}  // namespace

at::Tensor attention_composed(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k,
                              const at::Tensor& v, const KeyRanges& ranges,
                              const AttentionOptions& options) {
  if (options.keep.defined()) return attention_reference(shape, q, k, v, ranges, options);
  check_attention(shape, q, k, v, ranges, options);
  const int64_t dim = shape.head_dim, group = shape.heads / shape.kv_heads;
  std::vector<at::Tensor> results;
  for (const Row& row : rows_of(ranges)) {
    if (row.queries == 0) continue;
    const at::Tensor keys = heads_of(k, row.begin, row.length, dim, group).unsqueeze(0);
    const at::Tensor values = heads_of(v, row.begin, row.length, dim, group).unsqueeze(0);
    const at::Tensor asking = heads_of(q, row.first_query, row.queries, dim, 1).unsqueeze(0);
    // Without a mask the fast kernels of a device can be taken.
    const bool plain = is_causal(ranges, row);
    const std::optional<at::Tensor> mask =
        plain ? std::nullopt : std::optional(visible(ranges, row).to(q.device()));
    const at::Tensor mixed =
        at::scaled_dot_product_attention(asking, keys, values, mask, 0.0, plain);
    results.push_back(mixed.squeeze(0).transpose(0, 1).reshape({row.queries, q.size(1)}));
  }
  return results.empty() ? at::empty_like(q) : at::cat(results);
}

at::Tensor attention_reference(const AttentionShape& shape, const at::Tensor& q,
                               const at::Tensor& k, const at::Tensor& v, const KeyRanges& ranges,
                               const AttentionOptions& options, at::Tensor* probabilities) {
  check_attention(shape, q, k, v, ranges, options);
  const int64_t dim = shape.head_dim, group = shape.heads / shape.kv_heads;
  std::vector<at::Tensor> results;
  for (const Row& row : rows_of(ranges)) {
    const at::Tensor keys = heads_of(k, row.begin, row.length, dim, group);
    const at::Tensor values = heads_of(v, row.begin, row.length, dim, group);
    const at::Tensor scores =
        at::matmul(heads_of(q, row.first_query, row.queries, dim, 1), keys.transpose(1, 2)) /
        std::sqrt(static_cast<double>(dim));
    const at::Tensor hidden = visible(ranges, row).logical_not().to(scores.device());
    at::Tensor p =
        at::softmax(scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()), -1);
    if (probabilities && row.first_query == 0 && results.empty()) *probabilities = p;
    if (options.keep.defined()) {
      const at::Tensor keep = options.keep.narrow(0, row.first_query, row.queries)
                                  .reshape({row.queries, shape.heads, -1})
                                  .narrow(2, 0, row.length)
                                  .transpose(0, 1)
                                  .to(p.device(), p.scalar_type());
      p = p * keep / (1 - options.p);
    }
    results.push_back(at::matmul(p, values).transpose(0, 1).reshape({row.queries, q.size(1)}));
  }
  return at::cat(results);
}

void check_attention(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k,
                     const at::Tensor& v, const KeyRanges& ranges,
                     const AttentionOptions& options) {
  if (shape.head_dim < 1 || shape.kv_heads < 1 || shape.heads % shape.kv_heads != 0 ||
      shape.heads < 1)
    throw ShapeError("attention: {} heads, {} key heads, head size {}", shape.heads, shape.kv_heads,
                     shape.head_dim);
  const int64_t queries = ranges.num_queries(), keys = ranges.num_keys();
  if (q.dim() != 2 || k.dim() != 2 || k.sizes() != v.sizes() || q.size(0) != queries ||
      k.size(0) != keys || q.size(1) != shape.heads * shape.head_dim ||
      k.size(1) != shape.kv_heads * shape.head_dim || q.scalar_type() != k.scalar_type() ||
      q.scalar_type() != v.scalar_type())
    throw ShapeError("attention: q [{}, {}], k [{}, {}], v [{}, {}], {} queries of {} keys",
                     q.size(0), q.size(-1), k.size(0), k.size(-1), v.size(0), v.size(-1), queries,
                     keys);
  const at::Tensor& keep = options.keep;
  if (!keep.defined()) return;
  const int64_t least = shape.heads * ranges.longest_row();
  if (keep.dim() != 2 || keep.scalar_type() != at::kByte || keep.size(0) != queries ||
      keep.size(1) % shape.heads != 0 || keep.size(1) < least)
    throw ShapeError("attention: the mask is [{}, {}], expected [{}, {} or more]", keep.size(0),
                     keep.size(-1), queries, least);
}

}  // namespace tandem::learn
