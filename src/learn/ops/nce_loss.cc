// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/nce_loss.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "learn/ops/kernels.h"
#include "learn/ops/products.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kScratchFloats = 4 << 20;  // of one block's cosines: 16 MB, twice

bool are_shared(const at::Tensor& negatives) { return negatives.dim() == 2; }

// x [B, D] against each row's negatives: [B, M].
at::Tensor against(const at::Tensor& x, const at::Tensor& negatives) {
  if (are_shared(negatives)) return product_nt(x, negatives);
  return at::bmm(negatives, x.unsqueeze(2)).squeeze(2);
}

// One position's row.
struct Row {
  float* cosines;      // [M] with the user; becomes their gradient
  const float* near;   // [M] with the target
  const int64_t* ids;  // [M], or null
  int64_t id;          // of the target
  float target;        // cosine of user and target
};
struct RowResult {
  double loss;
  double d_scale;  // of s, not yet of its logarithm
  float d_target;  // of the cosine of user and target
  int64_t kept, rank;
};

RowResult row_loss(const Row& row, int64_t negatives, float scale, float threshold) {
  RowResult result{.loss = 0, .d_scale = 0, .d_target = 0, .kept = 1, .rank = 1};
  constexpr float kDropped = -std::numeric_limits<float>::infinity();
  float top = row.target;
  for (int64_t j = 0; j < negatives; ++j) {
    const bool dropped = row.near[j] > threshold || (row.ids != nullptr && row.ids[j] == row.id);
    if (dropped) {
      row.cosines[j] = kDropped;
      continue;
    }
    ++result.kept;
    result.rank += row.cosines[j] > row.target;
    top = std::max(top, row.cosines[j]);
  }
  const float true_weight = std::exp(scale * (row.target - top));
  double total = true_weight, mean = double{true_weight} * row.target;  // cosine, by the softmax
  for (int64_t j = 0; j < negatives; ++j) {
    float& cosine = row.cosines[j];
    const float weight = cosine == kDropped ? 0.0f : std::exp(scale * (cosine - top));
    if (cosine != kDropped) mean += double{weight} * cosine;
    total += weight;
    cosine = weight;
  }
  mean /= total;
  const auto inverse = static_cast<float>(1.0 / total);
  for (int64_t j = 0; j < negatives; ++j) row.cosines[j] *= scale * inverse;
  result.loss = scale * (double{top} - row.target) + std::log(total);
  result.d_target = scale * (true_weight * inverse - 1);
  result.d_scale = mean - row.target;
  return result;
}

// Of vectors of length 1.
struct Gradients {
  at::Tensor users, targets, negatives;
  double scale = 0;
};

struct Facts {
  double loss = 0, survivors = 0;
  at::Tensor ranks;
};

Facts loss_and_gradients(const NceInput& in, float scale, Gradients& out) {
  const int64_t rows = in.users.size(0);
  const bool shared = are_shared(in.negatives), by_id = in.target_ids.defined();
  const int64_t negatives = in.negatives.size(shared ? 0 : 1);
  const at::Tensor ids = by_id ? in.negative_ids.contiguous() : at::Tensor();
  const at::Tensor true_ids = by_id ? in.target_ids.contiguous() : at::Tensor();
  const at::Tensor cosines = (in.users * in.targets).sum(1);  // [Q]
  const float* cosine = cosines.const_data_ptr<float>();
  const auto weight = static_cast<float>(1.0 / static_cast<double>(rows));
  Facts facts{.ranks = at::empty({rows}, at::kLong)};
  int64_t* ranks = facts.ranks.data_ptr<int64_t>();
  const at::Tensor d_target = at::empty({rows}, in.users.options());
  float* d_targets = d_target.data_ptr<float>();
  const int64_t block =
      std::clamp<int64_t>(kScratchFloats / std::max<int64_t>(1, negatives), 1, rows);
  for (int64_t begin = 0; begin < rows; begin += block) {
    const int64_t count = std::min(block, rows - begin);
    const at::Tensor own = shared ? in.negatives : in.negatives.narrow(0, begin, count);
    const at::Tensor users = in.users.narrow(0, begin, count);
    const at::Tensor with_user = against(users, own).contiguous();
    const at::Tensor with_target = against(in.targets.narrow(0, begin, count), own).contiguous();
    float* logits = with_user.data_ptr<float>();
    const float* near = with_target.const_data_ptr<float>();
    std::vector<RowResult> results(count);
    at::parallel_for(0, count, 1 + (1 << 14) / (1 + negatives), [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) {
        const int64_t q = begin + r;
        const Row row{
            .cosines = logits + r * negatives,
            .near = near + r * negatives,
            .ids = by_id ? ids.const_data_ptr<int64_t>() + (shared ? 0 : q * negatives) : nullptr,
            .id = by_id ? true_ids.const_data_ptr<int64_t>()[q] : 0,
            .target = cosine[q]};
        results[r] = row_loss(row, negatives, scale, static_cast<float>(in.threshold));
      }
    });
    for (int64_t r = 0; r < count; ++r) {
      const RowResult& result = results[r];
      facts.loss += result.loss;
      facts.survivors += static_cast<double>(result.kept);
      out.scale += result.d_scale * weight;
      ranks[begin + r] = result.rank;
      d_targets[begin + r] = result.d_target * weight;
    }
    with_user.mul_(weight);  // now the gradients of the cosines with the negatives
    if (shared) {
      out.users.narrow(0, begin, count).copy_(product_nn(with_user, own));
      out.negatives.add_(product_tn(with_user, users));
    } else {
      out.users.narrow(0, begin, count).copy_(at::bmm(with_user.unsqueeze(1), own).squeeze(1));
      out.negatives.narrow(0, begin, count).copy_(with_user.unsqueeze(2) * users.unsqueeze(1));
    }
  }
  const at::Tensor column = d_target.unsqueeze(1);
  out.users.add_(column * in.targets);
  out.targets.copy_(column * in.users);
  facts.loss /= static_cast<double>(rows);
  facts.survivors /= static_cast<double>(rows);
  return facts;
}

// Of vectors of length 1; `facts` is an output besides the differentiable loss.
struct UnitNceLoss : torch::autograd::Function<UnitNceLoss> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& users,
                            const at::Tensor& targets, const at::Tensor& negatives,
                            const at::Tensor& log_scale, const NceInput& rest, Facts& facts) {
    NceInput in = rest;
    in.users = users.contiguous();
    in.targets = targets.contiguous();
    in.negatives = negatives.contiguous();
    const float scale = std::exp(log_scale.item<float>());
    Gradients gradients{.users = at::empty_like(in.users),
                        .targets = at::empty_like(in.targets),
                        .negatives = at::zeros_like(in.negatives)};
    facts = loss_and_gradients(in, scale, gradients);
    context->save_for_backward(
        {gradients.users, gradients.targets, gradients.negatives,
         at::full({}, gradients.scale * scale, log_scale.options().requires_grad(false))});
    return at::full({}, facts.loss, users.options().requires_grad(false));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    variable_list saved = context->get_saved_variables();
    for (at::Tensor& gradient : saved) gradient = gradient * gradients[0];
    return {saved[0], saved[1], saved[2], saved[3], {}, {}};
  }
};

void check(const NceInput& in) {
  const auto fail = [&](std::string_view what) { throw ShapeError("nce_loss: {}", what); };
  if (in.users.dim() != 2 || in.users.size(0) == 0) fail("users must be [Q, D] with Q > 0");
  if (in.targets.sizes() != in.users.sizes())
    throw ShapeError("nce_loss: {} users of {}, {} targets of {}", in.users.size(0),
                     in.users.size(1), in.targets.size(0), in.targets.size(-1));
  const bool shared = in.negatives.dim() == 2;
  if (!shared && in.negatives.dim() != 3) fail("negatives must be [M, D] or [Q, n, D]");
  if (in.negatives.size(-1) != in.users.size(1) ||
      (!shared && in.negatives.size(0) != in.users.size(0)))
    fail("negatives do not fit the users");
  if (in.log_scale.numel() != 1) fail("log_scale must be one number");
  if (in.target_ids.defined() != in.negative_ids.defined())
    fail("ids of targets and negatives go together");
  if (!in.target_ids.defined()) return;
  const int64_t negatives = in.negatives.numel() / in.users.size(1);
  if (in.target_ids.numel() != in.users.size(0) || in.negative_ids.numel() != negatives)
    throw ShapeError("nce_loss: {} ids of {} targets, {} ids of {} negatives",
                     in.target_ids.numel(), in.users.size(0), in.negative_ids.numel(), negatives);
}

// [Q, M] or [Q, n]: which negatives are none.
at::Tensor dropped(const NceInput& in, const at::Tensor& targets, const at::Tensor& negatives) {
  const bool shared = are_shared(negatives);
  const at::Tensor near =
      shared ? targets.matmul(negatives.t()) : at::bmm(negatives, targets.unsqueeze(2)).squeeze(2);
  const at::Tensor by_cosine = near.detach().gt(in.threshold);
  if (!in.target_ids.defined()) return by_cosine;
  const at::Tensor ids =
      shared ? in.negative_ids.view({1, -1}) : in.negative_ids.view({in.users.size(0), -1});
  return by_cosine.logical_or(ids.eq(in.target_ids.view({-1, 1})));
}

}  // namespace

at::Tensor unit_rows(const at::Tensor& x) {
  return x / at::linalg_vector_norm(x, 2, -1, /*keepdim=*/true).clamp_min(1e-12);
}

at::Tensor nce_logits(const NceInput& input) {
  check(input);
  const at::Tensor users = unit_rows(input.users), targets = unit_rows(input.targets),
                   negatives = unit_rows(input.negatives);
  const at::Tensor with_user = are_shared(negatives)
                                   ? users.matmul(negatives.t())
                                   : at::bmm(negatives, users.unsqueeze(2)).squeeze(2);
  const at::Tensor scale = input.log_scale.exp();
  const at::Tensor none = at::full({}, -std::numeric_limits<double>::infinity(),
                                   with_user.options().requires_grad(false));
  const at::Tensor kept = at::where(dropped(input, targets, negatives), none, with_user * scale);
  return at::cat({(users * targets).sum(1, /*keepdim=*/true) * scale, kept}, 1);
}

NceLoss nce_loss_reference(const NceInput& input) {
  const at::Tensor logits = nce_logits(input);
  const at::Tensor truth = logits.narrow(1, 0, 1);
  const at::Tensor kept = logits.detach().isfinite();
  return {.loss = (at::logsumexp(logits, 1) - truth.squeeze(1)).mean(),
          .survivors = kept.sum(1).to(at::kDouble).mean().item<double>(),
          .ranks = logits.gt(truth).sum(1).add(1).cpu()};
}

NceLoss nce_loss(const NceInput& input) {
  check(input);
  if (!takes_kernel(input.users) || input.users.scalar_type() != at::kFloat)
    return nce_loss_reference(input);
  Facts facts;
  const at::Tensor loss =
      UnitNceLoss::apply(unit_rows(input.users), unit_rows(input.targets),
                         unit_rows(input.negatives), input.log_scale, input, facts);
  return {.loss = loss, .survivors = facts.survivors, .ranks = facts.ranks};
}

}  // namespace tandem::learn
