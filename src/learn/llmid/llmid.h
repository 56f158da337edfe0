// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "learn/llama/llama.h"
#include "learn/model.h"
#include "learn/modules/item_table.h"
#include "models/retriever_config.h"

namespace tandem::learn {

// LLMIDRec, the "SASRec-1B" that HLLM is compared with (arXiv 2409.12740; models/llmid.h): a Llama
// from scratch that reads item vectors instead of word vectors.
//
//     e_i = P E[i]      u_t = Llama(e_1 .. e_t) at t        scores are hidden x item_table^T
//
// No dropout. Everything is an ordinary input here, padding too. Trained in float32, on the CPU and
// where the parameters are moved to.
class LlmId : public Retriever {
 public:
  // The table N(0, 0.02^2) cut at two deviations, the map Glorot's uniform, the trunk N(0, 0.02^2):
  // a pure function of the seed. ConfigError for sizes that do not fit.
  LlmId(const RetrieverModelConfig& config, uint64_t seed);

  std::vector<NamedParameter> parameters() const override { return parameters_; }
  at::Tensor hidden(const PackedBatch& batch, const DropoutRng* dropout) const override;
  at::Tensor item_table() const override { return items_.all(); }
  at::Tensor item_vectors(const at::Tensor& items) const override { return items_.vectors(items); }
  at::Tensor item_bias() const override { return item_bias_; }
  bool decayed(std::string_view name) const override { return name.find("norm") == name.npos; }

 private:
  std::vector<NamedParameter> parameters_;
  ItemTable items_;
  Llama trunk_;
  at::Tensor item_bias_;
};

}  // namespace tandem::learn
