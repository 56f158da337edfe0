// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "learn/model.h"

namespace tandem::learn {

struct NarmConfig {
  int64_t num_items = 0;
  int64_t width = 64;            // D; the GRU's state has 2 D channels
  double dropout = 0.2;          // embedding
  double decoder_dropout = 0.2;  // the two states before the decoder

  // Throws ConfigError.
  void validate() const;
};

// NARM (Li et al., "Neural Attentive Session-based Recommendation", CIKM 2017), as LRURec's and
// LlamaRec's code family has it (github.com/GarciaLnk/LlamaRec, model/narm.py); parameters under
// its names, b_vetor included:
//
//     h_1 .. h_T = GRU(E[item_1 .. item_T])
//     a_j = softmax_j v . s(A_g h_T + A_l h_j),   s the hard sigmoid (the paper: the sigmoid)
//     hidden = B^T [h_T; sum_j a_j h_j],          scores = hidden x E^T, without a bias
//
// one GRU layer of width 2 D. Every position is asked as if its row ended there. No padding comes
// in; a new user's single input 0 is an item like others. Weight decay spares the GRU's biases
// alone.
class Narm : public Retriever {
 public:
  // All parameters, biases too, N(0, 0.02^2) cut to [-0.04, 0.04]: a pure function of the seed.
  Narm(const NarmConfig& config, uint64_t seed);

  std::vector<NamedParameter> parameters() const override;
  at::Tensor hidden(const PackedBatch& batch, const DropoutRng* dropout) const override;
  at::Tensor item_table() const override { return item_embedding_; }
  at::Tensor item_bias() const override;
  bool decayed(std::string_view name) const override;

  const NarmConfig& config() const { return config_; }

 private:
  NarmConfig config_;
  at::Tensor item_embedding_;                             // [N+1, D]
  at::Tensor weight_ih_, weight_hh_, bias_ih_, bias_hh_;  // [6D, D], [6D, 2D], [6D]
  at::Tensor a_global_, a_local_, v_, b_;                 // [2D, 2D], [1, 2D], [4D, D]
};

}  // namespace tandem::learn
