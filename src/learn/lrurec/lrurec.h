// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "learn/model.h"
#include "learn/modules/dropout_sites.h"
#include "learn/modules/layer_norm.h"
#include "learn/modules/linear.h"

namespace tandem::learn {

struct LruRecConfig {
  int64_t num_items = 0;
  int64_t width = 64;  // D; the complex state has 2 D channels, the feed-forward layer 4 D
  int64_t num_blocks = 2;
  double dropout = 0.2;            // after the embedding and in the feed-forward layers
  double recurrent_dropout = 0.2;  // after the recurrence's output projection

  void validate() const;  // throws ConfigError
};

// What a block needs to know of a packed batch.
struct PackedRows {
  at::Tensor carry;       // [P] u8, 0 where no state comes in
  at::Tensor row_starts;  // [B+1] int64
};

PackedRows packed_rows(const PackedBatch& batch);

// One block of LRURec: recurrence, then feed-forward, each with a skip connection and LayerNorm.
// Complex parameters are stored as reals with a last axis (real, imaginary), as checkpoints hold
// them.
struct LruBlock {
  at::Tensor params_log;  // [3, H]: nu_log, theta_log, gamma_log; lambda = exp(-nu + i theta)
  at::Tensor in_weight, in_bias;    // [H, D, 2], [H, 2]
  at::Tensor out_weight, out_bias;  // [D, H, 2], [D, 2]; the bias's imaginary part never acts
  LayerNorm lru_norm;
  Linear w_1, w_2;  // [4D, D], [D, 4D]
  LayerNorm ffn_norm;
  std::string path;  // "model.lru_blocks.0", prefix of its names

  at::Tensor lambda() const;  // [2H]: real parts, imaginary parts
  at::Tensor state(const at::Tensor& x, const PackedRows& rows) const;  // h, [P, 2H]: likewise
  at::Tensor recurrence(const at::Tensor& x, const PackedRows& rows,
                        const DropoutSites& dropout) const;
  at::Tensor feed_forward(const at::Tensor& y, const DropoutSites& dropout) const;
};

// LRURec (Yue et al., WSDM 2024) on packed rows, with the behaviour of the authors' code:
// docs/protocols.md lists its quirks. Parameters are leaves under the authors' names.
class LruRec : public Retriever {
 public:
  // Initialised as in the paper from counter-based draws keyed by (seed, parameter, element).
  LruRec(const LruRecConfig& config, uint64_t seed);

  std::vector<NamedParameter> parameters() const override;
  at::Tensor hidden(const PackedBatch& batch, const DropoutRng* dropout) const override;
  at::Tensor item_table() const override { return item_embedding_; }
  at::Tensor item_bias() const override { return item_bias_; }
  bool decayed(std::string_view name) const override;

  // LayerNorm(dropout(E[items])), [P, D].
  at::Tensor embed(const at::Tensor& items, const DropoutRng* dropout) const;
  const std::vector<LruBlock>& blocks() const { return blocks_; }
  const LruRecConfig& config() const { return config_; }

 private:
  LruRecConfig config_;
  at::Tensor item_embedding_, item_bias_;
  LayerNorm embedding_norm_;
  std::vector<LruBlock> blocks_;
};

}  // namespace tandem::learn
