// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "learn/hstu/relative_bias.h"
#include "learn/model.h"
#include "learn/modules/dropout_sites.h"
#include "learn/modules/item_table.h"
#include "learn/modules/linear.h"
#include "learn/ops/key_ranges.h"

namespace tandem::learn {

struct HstuConfig {
  int64_t num_items = 0;
  int64_t width = 64;
  int64_t item_width = 0;  // of the table; 0: width, and no projection
  int64_t blocks = 2;
  int64_t heads = 2;
  int64_t max_length = 50;     // L, the most inputs of a row
  double dropout = 0.2;        // of the gated output
  bool relative_bias = false;  // of the attention: the original's (learn/hstu/relative_bias.h)

  void validate() const;  // ConfigError
};

// x + W_o dropout(u * LN(A v)) + b of one layer.
struct HstuLayer {
  at::Tensor uvqk;  // [D, 4 D]
  Linear output;
  std::optional<RelativeBias> bias = {};
  std::string site;  // of its dropout

  // x [P, D]; wanted [Q] positions that ask, with their ranges; undefined: all. -> [Q, D].
  // rows: of the bias, where there is one.
  at::Tensor forward(const at::Tensor& x, const KeyRanges& ranges, const at::Tensor& wanted,
                     const BiasRows& rows, const HstuConfig& config,
                     const DropoutSites& dropout) const;
};

// HSTU (Zhai et al., "Actions Speak Louder than Words", ICML 2024) as HLLM's authors released it:
// their relative position and time bias is never applied, the attention's dropout unused. With
// config.relative_bias the bias is applied, b below.
//
//     x = E[item] + P[slot]
//     [u, v, q, k] = silu(LN(x) W);  A[i, j] = silu(q_i.k_j + b[i, j]) / L for items j <= i
//     x = W_o dropout(u * LN(A v)) + b + x            LN without affine, eps 1e-6
//
// A row of T inputs takes the slots L - T .. L - 1 of the L + 1, as if it were padded on the left;
// the divisor is L whatever T is, as the authors' padded length. Padding at a row's start is seen
// by nobody, and sees nothing. Scores are hidden x item_table^T.
class Hstu : public Retriever {
 public:
  // Tables (the bias's too) N(0, 0.02^2) cut at two deviations, W N(0, 0.02^2), W_o Glorot's uniform, biases 0: a
  // pure function of the seed.
  Hstu(const HstuConfig& config, uint64_t seed);

  std::vector<NamedParameter> parameters() const override { return parameters_; }
  at::Tensor hidden(const PackedBatch& batch, const DropoutRng* dropout) const override;
  bool reads_times() const override { return config_.relative_bias; }
  at::Tensor item_table() const override { return items_.all(); }
  at::Tensor item_vectors(const at::Tensor& items) const override { return items_.vectors(items); }
  at::Tensor item_bias() const override { return item_bias_; }
  bool decayed(std::string_view name) const override { return !name.ends_with("bias"); }

  const HstuConfig& config() const { return config_; }

 private:
  HstuConfig config_;
  std::vector<NamedParameter> parameters_;
  ItemTable items_;
  at::Tensor position_embedding_, item_bias_;
  std::vector<HstuLayer> layers_;
};

}  // namespace tandem::learn
