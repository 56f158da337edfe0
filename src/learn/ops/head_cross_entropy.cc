// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/head_cross_entropy.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/diff.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

#include "core/error.h"
#include "learn/ops/element_types.h"
#include "learn/ops/kernels.h"
#include "learn/ops/products.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kLogits = int64_t{16} << 20;  // numbers of logits that exist at a time
constexpr int64_t kTile = int64_t{4} << 20;     // numbers of an expanded tile of a frozen head

// The head's rows tile by tile, trained or frozen.
class Head {
 public:
  Head(const at::Tensor& weight, const FrozenWeight* frozen, at::ScalarType type)
      : weight_(weight), frozen_(frozen), type_(type) {}

  int64_t rows() const { return weight_.defined() ? weight_.size(0) : frozen_->outputs(); }
  int64_t width() const { return weight_.defined() ? weight_.size(1) : frozen_->inputs(); }

  template <typename F>  // f(begin, rows of the tile)
  void for_tiles(const F& f) {
    if (weight_.defined()) return f(0, weight_);
    const int64_t tile = std::max<int64_t>(1, kTile / width());
    for (int64_t begin = 0; begin < rows(); begin += tile)
      f(begin, frozen_->rows(begin, std::min(tile, rows() - begin), type_, scratch_));
  }

  at::Tensor logits(const at::Tensor& hidden) {
    if (weight_.defined()) return product_nt(hidden, weight_);
    at::Tensor z = at::empty({hidden.size(0), rows()}, hidden.options());
    for_tiles([&](int64_t begin, const at::Tensor& part) {
      z.narrow(1, begin, part.size(0)).copy_(product_nt(hidden, part));
    });
    return z;
  }

  // dz W
  at::Tensor backward(const at::Tensor& dz) {
    if (weight_.defined()) return product_nn(dz, weight_);
    at::Tensor dhidden = at::zeros({dz.size(0), width()}, dz.options());
    for_tiles([&](int64_t begin, const at::Tensor& part) {
      dhidden.add_(product_nn(dz.narrow(1, begin, part.size(0)).contiguous(), part));
    });
    return dhidden;
  }

 private:
  at::Tensor weight_;
  const FrozenWeight* frozen_;
  at::ScalarType type_;
  at::Tensor scratch_;
};

// The targets of one position.
struct RowTargets {
  std::span<const int64_t> tokens;
  std::span<const double> weights;
};

// Turns a row of logits into its gradient; the row's loss. The largest probability is
// 1 / sum exp(z - top), so the loss does not need a target's own, which may be 0.
template <typename T>
double row_loss(T* z, int64_t count, const RowTargets& targets) {
  double weight = 0, below = 0;
  const auto top = std::max_element(z, z + count) - z;
  for (size_t j = 0; j < targets.tokens.size(); ++j) {
    weight += targets.weights[j];
    below += targets.weights[j] *
             (static_cast<double>(z[top]) - static_cast<double>(z[targets.tokens[j]]));
  }
  if (weight == 0) {
    std::fill(z, z + count, T{0});
    return 0;
  }
  softmax_in_place(z, count);
  const double loss = below - weight * std::log(static_cast<double>(z[top]));
  for (size_t j = 0; j < targets.tokens.size(); ++j)
    z[targets.tokens[j]] -= static_cast<T>(targets.weights[j] / weight);
  for (int64_t i = 0; i < count; ++i) z[i] *= static_cast<T>(weight);
  return loss;
}

struct HeadCrossEntropy : torch::autograd::Function<HeadCrossEntropy> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden,
                            const std::optional<at::Tensor>& trained, const FrozenWeightPtr& frozen,
                            const at::Tensor& starts, const at::Tensor& tokens,
                            const at::Tensor& weights) {
    const at::Tensor weight = trained.value_or(at::Tensor());
    Head head(weight, frozen.get(), hidden.scalar_type());
    const int64_t total = hidden.size(0), vocabulary = head.rows();
    const bool trains_head = weight.defined() && weight.requires_grad();
    const int64_t chunk = std::max<int64_t>(1, kLogits / vocabulary);
    const int64_t* start = starts.const_data_ptr<int64_t>();
    const auto targets_of = [&](int64_t s) {
      const auto size = static_cast<size_t>(start[s + 1] - start[s]);
      return RowTargets{{tokens.const_data_ptr<int64_t>() + start[s], size},
                        {weights.const_data_ptr<double>() + start[s], size}};
    };
    at::Tensor losses = at::empty({total}, at::kDouble);
    double* row_losses = losses.data_ptr<double>();
    at::Tensor dhidden = at::empty_like(hidden), dweight;
    for (int64_t begin = 0; begin < total; begin += chunk) {
      const int64_t count = std::min(chunk, total - begin);
      const at::Tensor part = hidden.narrow(0, begin, count);
      at::Tensor z = head.logits(part);  // [count, V]
      const auto turn = [&](auto* of_element) {
        using T = std::remove_pointer_t<decltype(of_element)>;
        T* rows = z.data_ptr<T>();
        at::parallel_for(0, count, 1, [&](int64_t first, int64_t last) {
          for (int64_t r = first; r < last; ++r)
            row_losses[begin + r] =
                row_loss(rows + r * vocabulary, vocabulary, targets_of(begin + r));
        });
      };
      if (z.scalar_type() == at::kDouble)
        turn((double*)nullptr);
      else
        turn((float*)nullptr);
      dhidden.narrow(0, begin, count).copy_(head.backward(z));
      if (!trains_head) continue;
      const at::Tensor added = product_tn(z, part);
      dweight = dweight.defined() ? dweight.add_(added) : added;
    }
    context->save_for_backward({dhidden, dweight});
    return losses.sum().to(hidden.scalar_type());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& dloss = gradients[0];
    return {saved[0] * dloss, saved[1].defined() ? saved[1] * dloss : at::Tensor(), {}, {}, {}, {}};
  }
};

void check(const at::Tensor& hidden, const at::Tensor& weight, const FrozenWeightPtr& frozen) {
  const int64_t width = weight.defined() ? weight.size(1) : frozen->inputs();
  if (hidden.dim() != 2 || hidden.size(1) != width ||
      (weight.defined() && weight.scalar_type() != hidden.scalar_type()) ||
      (hidden.scalar_type() != at::kFloat && hidden.scalar_type() != at::kDouble))
    throw ShapeError("head: hidden is [{}, {}] {}, the head's rows have {}", hidden.size(0),
                     hidden.size(-1), c10::toString(hidden.scalar_type()), width);
}

void check_targets(const at::Tensor& starts, const at::Tensor& tokens, const at::Tensor& weights,
                   int64_t positions, int64_t vocabulary) {
  const int64_t count = tokens.numel();
  if (positions == 0 || starts.dim() != 1 || starts.numel() != positions + 1 ||
      starts.scalar_type() != at::kLong || tokens.dim() != 1 || tokens.scalar_type() != at::kLong ||
      weights.dim() != 1 || weights.numel() != count || weights.scalar_type() != at::kDouble)
    throw ShapeError("head_cross_entropy: {} starts, {} tokens and {} weights for {} positions",
                     starts.numel(), count, weights.numel(), positions);
  const int64_t* start = starts.const_data_ptr<int64_t>();
  if (start[0] != 0 || start[positions] != count || !std::is_sorted(start, start + positions + 1))
    throw ShapeError("head_cross_entropy: targets cover {} to {} of {}", start[0], start[positions],
                     count);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t token = tokens.const_data_ptr<int64_t>()[i];
    const double target = weights.const_data_ptr<double>()[i];
    if (token < 0 || token >= vocabulary)
      throw DataError("head_cross_entropy: label {} at {}, expected 0 to {}", token, i,
                      vocabulary - 1);
    if (!(target >= 0) || !std::isfinite(target))
      throw DataError("head_cross_entropy: weight {} at {}, expected 0 or more", target, i);
  }
}

}  // namespace

at::Tensor head_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight,
                              const FrozenWeightPtr& frozen, const at::Tensor& labels) {
  check(hidden, weight, frozen);
  if (labels.dim() != 1 || labels.size(0) != hidden.size(0) || labels.size(0) == 0 ||
      labels.scalar_type() != at::kLong)
    throw ShapeError("head_cross_entropy: {} labels for {} positions", labels.numel(),
                     hidden.size(0));
  const int64_t count = labels.size(0);
  return head_soft_cross_entropy(
      hidden, weight, frozen,
      {.starts = at::arange(count + 1, at::kLong),
       .tokens = labels,
       .weights = at::full({count}, 1.0 / static_cast<double>(count), at::kDouble)});
}

at::Tensor head_soft_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight,
                                   const FrozenWeightPtr& frozen, const HeadTargets& targets) {
  check(hidden, weight, frozen);
  const at::Tensor starts = targets.starts.contiguous(), tokens = targets.tokens.contiguous(),
                   weights = targets.weights.contiguous();
  check_targets(starts, tokens, weights, hidden.size(0),
                weight.defined() ? weight.size(0) : frozen->outputs());
  if (!takes_kernel(hidden)) {
    at::Tensor scratch;
    const at::Tensor rows = weight.defined()
                                ? weight
                                : frozen->rows(0, frozen->outputs(), hidden.scalar_type(), scratch);
    return head_soft_cross_entropy_reference(hidden, rows, targets);
  }
  return HeadCrossEntropy::apply(hidden.contiguous(), std::optional<at::Tensor>(weight), frozen,
                                 starts, tokens, weights);
}

at::Tensor head_soft_cross_entropy_reference(const at::Tensor& hidden, const at::Tensor& weight,
                                             const HeadTargets& targets) {
  const at::Tensor z = at::matmul(hidden, weight.t());
  const at::Tensor rows = at::repeat_interleave(at::diff(targets.starts)).to(z.device());
  const at::Tensor tokens = targets.tokens.to(z.device());
  const at::Tensor weights = targets.weights.to(z.device(), z.scalar_type());
  const at::Tensor losses = at::logsumexp(z, {1}).index_select(0, rows) -
                            z.index_select(0, rows).gather(1, tokens.unsqueeze(1)).squeeze(1);
  return (losses * weights).sum();
}

at::Tensor head_cross_entropy_reference(const at::Tensor& hidden, const at::Tensor& weight,
                                        const at::Tensor& labels) {
  const at::Tensor z = at::matmul(hidden, weight.t());
  return (at::logsumexp(z, {1}) - at::gather(z, 1, labels.unsqueeze(1)).squeeze(1)).mean();
}

at::Tensor head_logits(const at::Tensor& hidden, const at::Tensor& weight,
                       const FrozenWeightPtr& frozen) {
  check(hidden, weight, frozen);
  return Head(weight.defined() ? weight.detach() : weight, frozen.get(), hidden.scalar_type())
      .logits(hidden.detach().contiguous());
}

}  // namespace tandem::learn
