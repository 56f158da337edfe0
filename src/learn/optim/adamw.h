// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "learn/model.h"

namespace tandem::learn {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-9;  // added to sqrt(v_hat)
  double weight_decay = 0.01;
};

// AdamW with decoupled decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization"):
//
//     m <- b1 m + (1-b1) g;   v <- b2 v + (1-b2) g^2
//     p <- p - lr wd p;       p <- p - lr m_hat / (sqrt(v_hat) + eps)
//
// in two groups, decayed and not. Complex weights are pairs of reals here, so both parts are
// updated alone. Gradients live in one flat buffer that the parameters' grad() are views of: the
// norm, clipping and the sum over processes are one operation each.
class AdamW {
 public:
  AdamW(std::vector<NamedParameter> parameters, AdamWOptions options,
        const std::function<bool(std::string_view)>& decayed);

  // Sets all gradients to 0 (they stay defined; backward adds to them).
  void zero_gradients();
  // All gradients as one float32 vector.
  const at::Tensor& gradients() const { return gradients_; }
  // Scales all gradients by limit / (norm + 1e-6) when that is below 1 (limit 0: never); the norm
  // before.
  double clip_gradients(double limit);
  void step(double lr);

  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  // Moments in the order of parameters(), "exp_avg.NAME" and "exp_avg_sq.NAME": what a checkpoint
  // holds.
  std::vector<NamedParameter> state() const;
  int64_t steps_done() const { return steps_done_; }
  void set_steps_done(int64_t steps);

 private:
  struct Group {
    std::vector<at::Tensor> values, gradients, exp_avg, exp_avg_sq, steps;
    double weight_decay = 0;
  };

  std::vector<NamedParameter> parameters_;
  AdamWOptions options_;
  at::Tensor gradients_;
  std::vector<at::Tensor> exp_avg_, exp_avg_sq_;
  Group groups_[2];
  int64_t steps_done_ = 0;
};

}  // namespace tandem::learn
