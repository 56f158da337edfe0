// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "learn/hllm/ranking_head.h"
#include "learn/hllm/time_embedding.h"
#include "learn/llama/llama.h"
#include "learn/model.h"
#include "models/hllm_config.h"

namespace tandem::learn {

// What HLLM has beside its towers, float32.
struct HllmExtras {
  at::Tensor item_token;      // [1, 1, D_i], the embedding at the placeholder after a text
  at::Tensor logit_scale;     // [], logarithm of the inverse temperature
  at::Tensor projector = {};  // [D, D_i]; undefined: item vectors are as wide as the User LLM
  std::optional<TimeEmbedding> time = {};  // absent: the User LLM is not told when
  std::optional<RankingHead> head = {};    // absent: candidates are not judged

  // Of the parts that may be absent, in the order in which they are written.
  std::vector<NamedParameter> more() const;
  void move_to(at::Device device);
};

// New ones: N(0, .02^2) for the token, ln(1 / .07) for the scale, and where the widths differ a
// projector of N(0, 1 / D_i); no times and no head. Pure functions of the seed.
HllmExtras new_hllm_extras(int64_t item_width, int64_t user_width, uint64_t seed);

// HLLM (arXiv 2409.12740) for training: an Item LLM and a User LLM of the Llama family.
//
//     e_i = P ItemLLM(text of i, [ITEM])  at [ITEM]     or the mean over the text's tokens
//     u_t = UserLLM(e_1 .. e_t)           at t, predicts the direction of e_{t+1}; with times
//                                         its inputs are e_t and the vector of t's time
//
// Texts and histories are packed, never padded. Differentiable in its parameters. Safe to use
// concurrently as long as none changes.
class Hllm {
 public:
  // user: absent for shared towers. Parameters whose names begin with one of `frozen` are not
  // trained. Throws ConfigError when the shapes do not fit each other.
  Hllm(HllmConfig config, Llama item, std::optional<Llama> user, HllmExtras extras,
       const std::vector<std::string>& frozen = {});

  const HllmConfig& config() const { return config_; }
  const Llama& item_llm() const { return item_; }
  const Llama& user_llm() const { return user_ ? *user_ : item_; }
  const at::Tensor& logit_scale() const { return extras_.logit_scale; }
  const HllmExtras& extras() const { return extras_; }

  // What is trained, under the names of the authors' checkpoints: "item_llm.model.norm.weight",
  // "user_llm. ...", "item_emb_tokens", "logit_scale", and ours, "projector.weight",
  // time_parameters() and ranking_parameters(). Adapters are "item_llm." and PEFT's key.
  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  // Whether any parameter moves the item vectors.
  bool trains_items() const;

  // Vectors of items, [n, D]. texts: their tokens, with one placeholder of any id after each where
  // the pooling is by token.
  at::Tensor encode(const PackedTokens& texts) const;
  // What the User LLM is shown: item vectors [P, D] with their times' vectors added, where the model
  // has times. times [P] int64 on the CPU, seconds since 1970, 0: not known.
  at::Tensor user_inputs(const at::Tensor& vectors, const at::Tensor& times) const;
  // States of the User LLM, [P, D]. inputs [P, D]: histories end to end; row_starts [B + 1]. With
  // `wanted` ([Q] int64, ascending) only at those positions.
  at::Tensor user_states(const at::Tensor& inputs, const at::Tensor& row_starts,
                         const at::Tensor& wanted = {}) const;

 private:
  HllmConfig config_;
  Llama item_;
  std::optional<Llama> user_;
  HllmExtras extras_;
  std::vector<NamedParameter> parameters_;
};

}  // namespace tandem::learn
