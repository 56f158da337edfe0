// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/silu_attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <optional>
#include <vector>

#include "core/error.h"
#include "learn/ops/kernels.h"
#include "learn/ops/lane_sum.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void check(int64_t heads, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
           const KeyRanges& ranges, const at::Tensor& bias) {
  if (q.dim() != 2 || k.dim() != 2 || k.sizes() != v.sizes() || q.size(1) != k.size(1))
    throw ShapeError("silu_attention: q, k and v do not fit: {} x {}, {} x {}", q.size(0),
                     q.size(-1), k.size(0), k.size(-1));
  if (heads < 1 || q.size(1) % heads != 0)
    throw ShapeError("silu_attention: width {} is not a multiple of {} heads", q.size(1), heads);
  if (ranges.num_queries() != q.size(0) || ranges.num_keys() != k.size(0))
    throw ShapeError("silu_attention: ranges of {} queries over {} keys, q and k have {} and {}",
                     ranges.num_queries(), ranges.num_keys(), q.size(0), k.size(0));
  if (!bias.defined()) return;
  const int64_t pairs = (ranges.end - ranges.begin).sum().item<int64_t>();
  if (bias.dim() != 1 || bias.size(0) != pairs)
    throw ShapeError("silu_attention: the bias has {} numbers, the ranges {} pairs", bias.numel(),
                     pairs);
}

// The rows of a batch and a head's slice of them, as the kernels walk them. A task is one row and
// one head: what it writes nobody else does, in an order fixed by the row.
struct Walk {
  int64_t heads = 1, width = 0;
  const int64_t *query_starts = nullptr, *begin = nullptr, *end = nullptr;
  std::vector<int64_t> first_pair;  // of each query
  int64_t rows = 0;
  float divisor = 1;

  template <class Pair>
  void each(const Pair& pair) const {
    const int64_t head = width / heads;
    at::parallel_for(0, rows * heads, 1, [&](int64_t first, int64_t last) {
      for (int64_t task = first; task < last; ++task) {
        const int64_t row = task / heads, which = task % heads, offset = which * head;
        for (int64_t i = query_starts[row]; i < query_starts[row + 1]; ++i)
          for (int64_t j = begin[i]; j < end[i]; ++j)
            pair(i * width + offset, j * width + offset, which, first_pair[i] + j - begin[i]);
      }
    });
  }
};

Walk walk(int64_t heads, int64_t width, const variable_list& ranges, double divisor) {
  Walk walk{.heads = heads,
            .width = width,
            .query_starts = ranges[0].const_data_ptr<int64_t>(),
            .begin = ranges[1].const_data_ptr<int64_t>(),
            .end = ranges[2].const_data_ptr<int64_t>(),
            .first_pair = {0},
            .rows = ranges[0].numel() - 1,
            .divisor = static_cast<float>(divisor)};
  for (int64_t i = 0; i < ranges[1].numel(); ++i)
    walk.first_pair.push_back(walk.first_pair[i] + walk.end[i] - walk.begin[i]);
  return walk;
}

float dot(const float* a, const float* b, int64_t count) {
  return lane_sum<float>(count, [&](int64_t i) { return a[i] * b[i]; });
}

void add(float* out, float factor, const float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] += factor * x[i];
}

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

struct SiluAttention : torch::autograd::Function<SiluAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q_in,
                            const at::Tensor& k_in, const at::Tensor& v_in,
                            const std::optional<at::Tensor>& bias_in,
                            const at::Tensor& query_starts, const at::Tensor& begin,
                            const at::Tensor& end, int64_t heads, double divisor) {
    const at::Tensor q = q_in.contiguous(), k = k_in.contiguous(), v = v_in.contiguous();
    const at::Tensor bias = bias_in ? bias_in->contiguous() : at::Tensor();
    at::Tensor out = at::zeros_like(q);
    const float *qs = q.const_data_ptr<float>(), *ks = k.const_data_ptr<float>(),
                *vs = v.const_data_ptr<float>(),
                *bs = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
    float* os = out.data_ptr<float>();
    const Walk rows = walk(heads, q.size(1), {query_starts, begin, end}, divisor);
    const int64_t head = q.size(1) / heads;
    rows.each([&](int64_t i, int64_t j, int64_t, int64_t pair) {
      const float s = dot(qs + i, ks + j, head) + (bs != nullptr ? bs[pair] : 0.0f);
      add(os + i, s * sigmoid(s) / rows.divisor, vs + j, head);
    });
    context->save_for_backward({q, k, v, query_starts, begin, end, bias});
    context->saved_data["heads"] = heads;
    context->saved_data["divisor"] = divisor;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &bias = saved[6];
    const at::Tensor out_gradient = gradients[0].contiguous();
    at::Tensor dq = at::zeros_like(q), dk = at::zeros_like(k), dv = at::zeros_like(v);
    const int64_t heads = context->saved_data["heads"].toInt(), head = q.size(1) / heads;
    // Each head has a row of its own, so that no two tasks write to one number.
    at::Tensor db =
        bias.defined() ? at::zeros({heads, bias.size(0)}, bias.options()) : at::Tensor();
    const float *qs = q.const_data_ptr<float>(), *ks = k.const_data_ptr<float>(),
                *vs = v.const_data_ptr<float>(), *grad = out_gradient.const_data_ptr<float>(),
                *bs = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
    float *dqs = dq.data_ptr<float>(), *dks = dk.data_ptr<float>(), *dvs = dv.data_ptr<float>(),
          *dbs = bias.defined() ? db.data_ptr<float>() : nullptr;
    const Walk rows = walk(heads, q.size(1), {saved[3], saved[4], saved[5]},
                           context->saved_data["divisor"].toDouble());
    rows.each([&](int64_t i, int64_t j, int64_t which, int64_t pair) {
      const float s = dot(qs + i, ks + j, head) + (bs != nullptr ? bs[pair] : 0.0f);
      const float gate = sigmoid(s);
      add(dvs + j, s * gate / rows.divisor, grad + i, head);
      // silu'(s) = sigmoid(s) (1 + s (1 - sigmoid(s)))
      const float ds = dot(grad + i, vs + j, head) * gate * (1 + s * (1 - gate)) / rows.divisor;
      add(dqs + i, ds, ks + j, head);
      add(dks + j, ds, qs + i, head);
      if (dbs != nullptr) dbs[which * bias.size(0) + pair] = ds;
    });
    return {dq, dk, dv, db.defined() ? db.sum(0) : db, {}, {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor silu_attention(int64_t heads, const at::Tensor& q, const at::Tensor& k,
                          const at::Tensor& v, const KeyRanges& ranges, double divisor,
                          const at::Tensor& bias) {
  if (!takes_kernel(q)) return silu_attention_reference(heads, q, k, v, ranges, divisor, bias);
  check(heads, q, k, v, ranges, bias);
  const std::optional<at::Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
  return SiluAttention::apply(q, k, v, given, ranges.query_starts, ranges.begin, ranges.end, heads,
                              divisor);
}

at::Tensor silu_attention_reference(int64_t heads, const at::Tensor& q, const at::Tensor& k,
                                    const at::Tensor& v, const KeyRanges& ranges, double divisor,
                                    const at::Tensor& bias) {
  check(heads, q, k, v, ranges, bias);
  const int64_t head = q.size(1) / heads;
  const int64_t *rows = ranges.row_starts.const_data_ptr<int64_t>(),
                *queries = ranges.query_starts.const_data_ptr<int64_t>();
  std::vector<at::Tensor> parts;
  int64_t pairs = 0;  // of the rows before
  for (int64_t row = 0; row + 1 < ranges.row_starts.numel(); ++row) {
    const int64_t first = queries[row], count = queries[row + 1] - first;
    const int64_t start = rows[row], keys = rows[row + 1] - start;
    if (count == 0) continue;
    const auto by_head = [&](const at::Tensor& x, int64_t from, int64_t length) {
      return x.narrow(0, from, length)
          .view({length, heads, head})
          .transpose(0, 1);  // [heads, T, H]
    };
    const at::Tensor at = at::arange(start, start + keys, at::kLong).unsqueeze(0);
    const at::Tensor seen = at.ge(ranges.begin.narrow(0, first, count).unsqueeze(1))
                                .logical_and(at.lt(ranges.end.narrow(0, first, count).unsqueeze(1)))
                                .to(q.device());  // [queries, T]
    at::Tensor scores =
        at::matmul(by_head(q, first, count), by_head(k, start, keys).transpose(1, 2));
    if (bias.defined()) {
      const int64_t here = seen.sum().item<int64_t>();
      scores = scores + at::zeros({count, keys}, bias.options())
                            .masked_scatter(seen, bias.narrow(0, pairs, here));
      pairs += here;
    }
    const at::Tensor weights = at::silu(scores) / divisor * seen.to(q.scalar_type());
    parts.push_back(
        at::matmul(weights, by_head(v, start, keys)).transpose(0, 1).reshape({count, q.size(1)}));
  }
  return parts.empty() ? at::zeros_like(q) : at::cat(parts);
}

}  // namespace tandem::learn
