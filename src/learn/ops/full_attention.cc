// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/full_attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "core/error.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/vector_ops.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Row {
  int64_t begin, length, first_pair;  // of its probabilities [heads, T, T]
};

std::vector<Row> make_rows(const at::Tensor& row_starts, int64_t heads) {
  const int64_t* starts = row_starts.const_data_ptr<int64_t>();
  std::vector<Row> rows;
  int64_t pairs = 0;
  for (int64_t row = 0; row + 1 < row_starts.numel(); ++row) {
    const int64_t length = starts[row + 1] - starts[row];
    rows.push_back({starts[row], length, pairs});
    pairs += heads * length * length;
  }
  return rows;
}

// What a task works on: one head's columns of q, k, v.
struct Sizes {
  int64_t width, heads, size, most;  // D, heads, d, L
  float scale, factor;               // 1 / sqrt(d), 1 / (1 - p)
};

template <typename Task>
void for_tasks(const std::vector<Row>& rows, int64_t heads, const Task& task) {
  at::parallel_for(0, std::ssize(rows) * heads, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) task(rows[i / heads], i % heads);
  });
}

// One thread's memory, from task to task.
float* scratch(int which, int64_t count) {
  thread_local std::vector<float> buffers[2];
  if (std::ssize(buffers[which]) < count) buffers[which].resize(static_cast<size_t>(count));
  return buffers[which].data();
}

// to[t, s] = from[t, s] * keep * factor; keep null: a copy.
void drop(const Sizes& sizes, const Row& row, int64_t head, const uint8_t* keep, const float* from,
          float* to) {
  for (int64_t t = 0; t < row.length; ++t) {
    const float* __restrict in = from + t * row.length;
    float* __restrict out = to + t * row.length;
    if (keep == nullptr) {
      std::copy_n(in, row.length, out);
      continue;
    }
    const uint8_t* __restrict kept = keep + ((row.begin + t) * sizes.heads + head) * sizes.most;
    for (int64_t s = 0; s < row.length; ++s)
      out[s] = in[s] * (sizes.factor * static_cast<float>(kept[s]));
  }
}

struct FullAttention : torch::autograd::Function<FullAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const at::Tensor& row_starts,
                            const at::Tensor& keep, int64_t heads, double p) {
    const std::vector<Row> rows = make_rows(row_starts, heads);
    const Sizes sizes = sizes_of(q, keep, heads, p);
    const int64_t pairs =
        rows.empty() ? 0 : rows.back().first_pair + heads * rows.back().length * rows.back().length;
    at::Tensor out = at::empty_like(q), probabilities = at::empty({pairs}, q.options());
    const float *from_q = q.const_data_ptr<float>(), *from_k = k.const_data_ptr<float>(),
                *from_v = v.const_data_ptr<float>();
    const uint8_t* kept = keep.numel() > 0 ? keep.const_data_ptr<uint8_t>() : nullptr;
    float *to = out.data_ptr<float>(), *all = probabilities.data_ptr<float>();
    for_tasks(rows, heads, [&](const Row& row, int64_t head) {
      const int64_t n = row.length, at = row.begin * sizes.width + head * sizes.size;
      float *probability = all + row.first_pair + head * n * n, *weights = scratch(0, n * n);
      engine::sgemm(false, true, n, n, sizes.size, sizes.scale, from_q + at, sizes.width,
                    from_k + at, sizes.width, 0, probability, n);
      for (int64_t t = 0; t < n; ++t) engine::softmax_row(probability + t * n, n);
      drop(sizes, row, head, kept, probability, weights);
      engine::sgemm(false, false, n, sizes.size, n, 1, weights, n, from_v + at, sizes.width, 0,
                    to + at, sizes.width);
    });
    context->save_for_backward({q, k, v, row_starts, keep, probabilities});
    context->saved_data["heads"] = heads;
    context->saved_data["p"] = p;
    return out;
  }

  // With P the probabilities, W = m P those after dropout and S the scores before softmax:
  //   dv = W^T do,   dP = m (do v^T),   dS = P (dP - sum(P dP)),   dq = dS k / sqrt(d),
  //   dk = dS^T q / sqrt(d)
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &keep = saved[4];
    const int64_t heads = context->saved_data["heads"].toInt();
    const std::vector<Row> rows = make_rows(saved[3], heads);
    const Sizes sizes = sizes_of(q, keep, heads, context->saved_data["p"].toDouble());
    const at::Tensor dout = gradients[0].contiguous();
    at::Tensor dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
    const float *from_q = q.const_data_ptr<float>(), *from_k = k.const_data_ptr<float>(),
                *from_v = v.const_data_ptr<float>(), *grad = dout.const_data_ptr<float>(),
                *all = saved[5].const_data_ptr<float>();
    const uint8_t* kept = keep.numel() > 0 ? keep.const_data_ptr<uint8_t>() : nullptr;
    float *to_q = dq.data_ptr<float>(), *to_k = dk.data_ptr<float>(), *to_v = dv.data_ptr<float>();
    for_tasks(rows, heads, [&](const Row& row, int64_t head) {
      const int64_t n = row.length, at = row.begin * sizes.width + head * sizes.size;
      const float* probability = all + row.first_pair + head * n * n;
      float *weights = scratch(0, n * n), *scores = scratch(1, n * n);
      drop(sizes, row, head, kept, probability, weights);
      engine::sgemm(true, false, n, sizes.size, n, 1, weights, n, grad + at, sizes.width, 0,
                    to_v + at, sizes.width);
      engine::sgemm(false, true, n, n, sizes.size, 1, grad + at, sizes.width, from_v + at,
                    sizes.width, 0, scores, n);
      drop(sizes, row, head, kept, scores, weights);
      for (int64_t t = 0; t < n; ++t) {
        const float* __restrict p = probability + t * n;
        float* __restrict d = weights + t * n;
        float lanes[8] = {};
        int64_t s = 0;
        for (; s + 8 <= n; s += 8)
          for (int lane = 0; lane < 8; ++lane) lanes[lane] += p[s + lane] * d[s + lane];
        for (; s < n; ++s) lanes[0] += p[s] * d[s];
        const float mean = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
                           ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
        for (int64_t j = 0; j < n; ++j) d[j] = p[j] * (d[j] - mean);
      }
      engine::sgemm(false, false, n, sizes.size, n, sizes.scale, weights, n, from_k + at,
                    sizes.width, 0, to_q + at, sizes.width);
      engine::sgemm(true, false, n, sizes.size, n, sizes.scale, weights, n, from_q + at,
                    sizes.width, 0, to_k + at, sizes.width);
    });
    return {dq, dk, dv, {}, {}, {}, {}};
  }

  static Sizes sizes_of(const at::Tensor& q, const at::Tensor& keep, int64_t heads, double p) {
    const int64_t size = q.size(1) / heads;
    return {.width = q.size(1),
            .heads = heads,
            .size = size,
            .most = keep.numel() > 0 ? keep.size(1) / heads : 0,
            .scale = 1 / std::sqrt(static_cast<float>(size)),
            .factor = static_cast<float>(1 / (1 - p))};
  }
};

void check(int64_t heads, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
           const at::Tensor& row_starts, const at::Tensor& keep) {
  if (q.dim() != 2 || q.sizes() != k.sizes() || q.sizes() != v.sizes() || heads < 1 ||
      q.size(1) % heads != 0)
    throw ShapeError("full_attention: {} heads, q [{}, {}], k [{}, {}], v [{}, {}]", heads,
                     q.size(0), q.size(-1), k.size(0), k.size(-1), v.size(0), v.size(-1));
  if (row_starts.dim() != 1 || row_starts.numel() < 2 ||
      row_starts.select(0, 0).item<int64_t>() != 0 ||
      row_starts.select(0, -1).item<int64_t>() != q.size(0) ||
      (row_starts.slice(0, 1) - row_starts.slice(0, 0, -1)).min().item<int64_t>() < 0)
    throw ShapeError("full_attention: rows do not cover the {} positions", q.size(0));
  if (!keep.defined()) return;
  const int64_t longest =
      (row_starts.slice(0, 1) - row_starts.slice(0, 0, -1)).max().item<int64_t>();
  if (keep.dim() != 2 || keep.scalar_type() != at::kByte || keep.size(0) != q.size(0) ||
      keep.size(1) % heads != 0 || keep.size(1) < heads * longest)
    throw ShapeError("full_attention: the mask is [{}, {}], expected [{}, {} or more]",
                     keep.size(0), keep.size(-1), q.size(0), heads * longest);
}

}  // namespace

at::Tensor full_attention(int64_t heads, const at::Tensor& q, const at::Tensor& k,
                          const at::Tensor& v, const at::Tensor& row_starts, const at::Tensor& keep,
                          double p) {
  check(heads, q, k, v, row_starts, keep);
  if (!takes_kernel(q)) return full_attention_reference(heads, q, k, v, row_starts, keep, p);
  // An input of a Function must be defined: an empty mask stands for none.
  const at::Tensor mask = keep.defined() ? keep.contiguous() : at::empty({0}, at::kByte);
  return FullAttention::apply(q.contiguous(), k.contiguous(), v.contiguous(),
                              row_starts.contiguous(), mask, heads, p);
}

at::Tensor full_attention_reference(int64_t heads, const at::Tensor& q, const at::Tensor& k,
                                    const at::Tensor& v, const at::Tensor& row_starts,
                                    const at::Tensor& keep, double p) {
  check(heads, q, k, v, row_starts, keep);
  const int64_t size = q.size(1) / heads;
  const at::Tensor starts = row_starts.cpu().contiguous();
  std::vector<at::Tensor> results;
  for (const Row& row : make_rows(starts, heads)) {
    const auto split = [&](const at::Tensor& x) {
      return x.narrow(0, row.begin, row.length).view({row.length, heads, -1}).transpose(0, 1);
    };
    at::Tensor weights = at::softmax(
        at::matmul(split(q), split(k).transpose(1, 2)) / std::sqrt(static_cast<double>(size)), -1);
    if (keep.defined())
      weights =
          weights * split(keep).narrow(2, 0, row.length).to(q.device(), q.scalar_type()) / (1 - p);
    results.push_back(
        at::matmul(weights, split(v)).transpose(0, 1).reshape({row.length, q.size(1)}));
  }
  return at::cat(results);
}

}  // namespace tandem::learn
