// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/additive_attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "engine/kernels/additive_score.h"
#include "engine/kernels/vector_ops.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// A query and the keys it sees; its probabilities are the `count` numbers at `first_pair`.
struct Query {
  int64_t index, begin, count, first_pair;
};

struct Plan {
  std::vector<std::vector<Query>> rows;
  int64_t pairs = 0;
};

Plan make_plan(const at::Tensor& row_starts, const at::Tensor& wanted) {
  const int64_t *starts = row_starts.const_data_ptr<int64_t>(),
                *at = wanted.const_data_ptr<int64_t>();
  const int64_t queries = wanted.numel();
  Plan plan{.rows = std::vector<std::vector<Query>>(row_starts.numel() - 1)};
  int64_t q = 0;
  for (int64_t row = 0; row + 1 < row_starts.numel(); ++row) {
    for (; q < queries && at[q] < starts[row + 1]; ++q) {
      if (at[q] < (q == 0 ? starts[row] : at[q - 1] + 1)) break;
      const int64_t count = at[q] - starts[row] + 1;
      plan.rows[row].push_back({q, starts[row], count, plan.pairs});
      plan.pairs += count;
    }
  }
  if (q < queries)
    throw ShapeError("additive_attention: wanted[{}] = {}, expected ascending positions below {}",
                     q, at[q], starts[row_starts.numel() - 1]);
  return plan;
}

template <typename Work>
void for_rows(const Plan& plan, const Work& work) {
  at::parallel_for(0, std::ssize(plan.rows), 1, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) work(row);
  });
}

float dot(const float* __restrict a, const float* __restrict b, int64_t width) {
  float sums[8] = {};
  int64_t c = 0;
  for (; c + 8 <= width; c += 8)
    for (int lane = 0; lane < 8; ++lane) sums[lane] += a[c + lane] * b[c + lane];
  for (; c < width; ++c) sums[0] += a[c] * b[c];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

void add_scaled(const float* __restrict x, float factor, int64_t width, float* __restrict sum) {
  for (int64_t c = 0; c < width; ++c) sum[c] += factor * x[c];
}

struct AdditiveAttention : torch::autograd::Function<AdditiveAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& query,
                            const at::Tensor& key, const at::Tensor& value, const at::Tensor& v,
                            const at::Tensor& row_starts, const at::Tensor& wanted) {
    const int64_t width = v.numel();
    const Plan plan = make_plan(row_starts, wanted);
    at::Tensor out = at::zeros({wanted.numel(), width}, query.options());
    at::Tensor probabilities = at::empty({plan.pairs}, query.options());
    const float *q = query.const_data_ptr<float>(), *k = key.const_data_ptr<float>(),
                *values = value.const_data_ptr<float>(), *by = v.const_data_ptr<float>();
    float *to = out.data_ptr<float>(), *p = probabilities.data_ptr<float>();
    for_rows(plan, [&](int64_t row) {
      for (const Query& one : plan.rows[row]) {
        float* of_query = p + one.first_pair;
        for (int64_t j = 0; j < one.count; ++j)
          of_query[j] =
              engine::additive_score(q + one.index * width, k + (one.begin + j) * width, by, width);
        engine::softmax_row(of_query, one.count);
        for (int64_t j = 0; j < one.count; ++j)
          add_scaled(values + (one.begin + j) * width, of_query[j], width, to + one.index * width);
      }
    });
    context->save_for_backward({query, key, value, v, row_starts, wanted, probabilities});
    return out;
  }

  // With P the probabilities:  dP = do . value,  de = P (dP - sum(P dP)).
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &query = saved[0], &key = saved[1], &value = saved[2], &v = saved[3];
    const int64_t width = v.numel();
    const Plan plan = make_plan(saved[4], saved[5]);
    const at::Tensor dout = gradients[0].contiguous();
    at::Tensor dquery = at::zeros_like(query), dkey = at::zeros_like(key);
    at::Tensor dvalue = at::zeros_like(value);
    // One partial sum a row, added in the order of the rows, so that threads do not change bits.
    at::Tensor partial = at::zeros({std::ssize(plan.rows), width}, v.options());
    const float *q = query.const_data_ptr<float>(), *k = key.const_data_ptr<float>(),
                *values = value.const_data_ptr<float>(), *by = v.const_data_ptr<float>(),
                *p = saved[6].const_data_ptr<float>(), *grad = dout.const_data_ptr<float>();
    float *dq = dquery.data_ptr<float>(), *dk = dkey.data_ptr<float>(),
          *dvalues = dvalue.data_ptr<float>(), *dv = partial.data_ptr<float>();
    for_rows(plan, [&](int64_t row) {
      std::vector<float> de;
      for (const Query& one : plan.rows[row]) {
        const float *of_query = p + one.first_pair, *from = grad + one.index * width;
        de.resize(one.count);
        float mean = 0;
        for (int64_t j = 0; j < one.count; ++j) {
          de[j] = dot(from, values + (one.begin + j) * width, width);
          mean += of_query[j] * de[j];
        }
        for (int64_t j = 0; j < one.count; ++j) {
          const int64_t at = (one.begin + j) * width;
          add_scaled(from, of_query[j], width, dvalues + at);
          engine::additive_score_backward(q + one.index * width, k + at, by,
                                          of_query[j] * (de[j] - mean), width,
                                          dq + one.index * width, dk + at, dv + row * width);
        }
      }
    });
    return {dquery, dkey, dvalue, partial.sum(0), {}, {}};
  }
};

at::Tensor all_or(const at::Tensor& wanted, const at::Tensor& key, const at::Tensor& row_starts) {
  return wanted.defined() ? wanted : at::arange(key.size(0), row_starts.options());
}

}  // namespace

at::Tensor additive_attention(const at::Tensor& query, const at::Tensor& key,
                              const at::Tensor& value, const at::Tensor& v,
                              const at::Tensor& row_starts, const at::Tensor& wanted) {
  const at::Tensor at_query = all_or(wanted, key, row_starts);
  if (query.dim() != 2 || key.dim() != 2 || key.sizes() != value.sizes() || v.dim() != 1 ||
      query.size(1) != v.numel() || key.size(1) != v.numel() || query.size(0) != at_query.numel())
    throw ShapeError("additive_attention: query [{}, {}], key [{}, {}], v [{}], {} queries wanted",
                     query.size(0), query.size(-1), key.size(0), key.size(-1), v.numel(),
                     at_query.numel());
  if (!takes_kernel(query))
    return additive_attention_reference(query, key, value, v, row_starts, wanted);
  return AdditiveAttention::apply(query.contiguous(), key.contiguous(), value.contiguous(),
                                  v.contiguous(), row_starts.contiguous(), at_query.contiguous());
}

at::Tensor additive_attention_reference(const at::Tensor& query, const at::Tensor& key,
                                        const at::Tensor& value, const at::Tensor& v,
                                        const at::Tensor& row_starts, const at::Tensor& wanted) {
  const at::Tensor at_query = all_or(wanted, key, row_starts);
  const at::Tensor row = at::searchsorted(row_starts, at_query, /*out_int32=*/false,
                                          /*right=*/true) -
                         1;
  const at::Tensor begin = row_starts.index_select(0, row), counts = at_query - begin + 1;
  // All pairs of a query and a key end to end.
  const at::Tensor of_query =
      at::arange(at_query.numel(), row_starts.options()).repeat_interleave(counts);
  const at::Tensor first = counts.cumsum(0) - counts;
  const at::Tensor of_key = begin.index_select(0, of_query) +
                            at::arange(of_query.numel(), row_starts.options()) -
                            first.index_select(0, of_query);
  const at::Tensor sum = query.index_select(0, of_query) + key.index_select(0, of_key);
  const at::Tensor e = at::matmul((sum / 6 + 0.5).clamp(0, 1), v);
  const at::Tensor largest = at::zeros({at_query.numel()}, e.options())
                                 .scatter_reduce(0, of_query, e.detach(), "amax", false);
  const at::Tensor weight = (e - largest.index_select(0, of_query)).exp();
  const at::Tensor total =
      at::zeros({at_query.numel()}, e.options()).index_add(0, of_query, weight);
  const at::Tensor p = weight / total.index_select(0, of_query);
  return at::zeros(query.sizes(), e.options())
      .index_add(0, of_query, p.unsqueeze(1) * value.index_select(0, of_key));
}

}  // namespace tandem::learn
