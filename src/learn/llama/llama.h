// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "learn/llama/weights.h"
#include "learn/lora/lora.h"
#include "learn/model.h"
#include "learn/modules/packed_rows.h"
#include "learn/modules/projection.h"
#include "learn/ops/frozen_weight.h"
#include "learn/ops/head_cross_entropy.h"
#include "models/llama_config.h"
#include "models/precision.h"

namespace tandem::learn {

// Token sequences laid end to end, without padding. P positions, B rows.
struct PackedTokens {
  at::Tensor tokens;          // [P]   int64
  at::Tensor row_starts;      // [B+1] int64, row b is positions row_starts[b] .. row_starts[b+1]
  at::Tensor positions = {};  // [P]   int64, for the rotation; undefined: counted up in each row
};

// Where the model is to say what: at positions[i] the next token is labels[i].
struct SupervisedPositions {
  at::Tensor positions;  // [S] int64, strictly ascending positions of the packed batch
  at::Tensor labels;     // [S] int64
  // Instead of labels: soft or weighted targets of the positions.
  std::optional<HeadTargets> targets = {};
};

struct LlamaOptions {
  // Of the layers' products; the head, adapters and trained weights are float32 either way.
  Precision precision = Precision::kFloat32;
  // Full tuning: every weight is a float32 parameter. Without it the base is frozen and stays as it
  // is stored.
  bool train_base = false;
  std::optional<LoraConfig> lora = {};  // adapters; the base must be frozen
  // Keep only the layers' inputs and run each layer again in the backward pass. Same bits.
  bool checkpoint_layers = false;
  uint64_t seed = 42;  // of new adapters
  // Of weights and states; tokens, rows, positions and labels stay on the CPU.
  at::Device device = at::kCPU;
};

struct LlamaLayer {
  at::Tensor input_norm, post_attention_norm;  // [D] float32
  Projection q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj;
  at::Tensor q_norm, k_norm;  // [head_dim] float32, Qwen3 only
  int64_t window = 0;
};

// A model of the Llama family for training: Llama 1 to 3, TinyLlama, Mistral, Qwen2, Qwen3. Forward
// on packed sequences of different lengths; differentiable in its parameters.
//
//     x += o(attention(norm(x)));   x += down(silu(gate(norm(x))) * up(norm(x)))
//
// Layers below the first parameter keep nothing for the backward pass. A configuration without a
// word table or a head (LlamaConfig::has_embedding, has_head) makes a model that cannot embed() or
// say logits() and loss(). Safe to use concurrently as
// long as no parameter changes.
class Llama {
 public:
  // Intermediate results by name, for oracles: "embedding", "layers.0.q_proj" (k, v, o; before the
  // rotation), "layers.0.attention" (probabilities of the first row, [heads, queries, keys]),
  // "layers.0.mlp", "layers.0", "norm".
  using Observer = std::function<void(const std::string& name, const at::Tensor& value)>;

  // Throws FormatError for weights that do not fit, ConfigError for options that do not.
  Llama(const LlamaWeights& weights, const LlamaOptions& options);

  const LlamaConfig& config() const { return config_; }
  const LlamaOptions& options() const { return options_; }

  // The trained tensors, float32 leaves in the order of the forward pass. Names are those of the
  // Hugging Face folder for the base, PEFT's keys for adapters.
  const std::vector<NamedParameter>& parameters() const { return parameters_; }

  // Embeddings, [P, D] float32. DataError for a token outside the vocabulary.
  at::Tensor embed(const at::Tensor& tokens) const;

  // x [P, D] float32, input vectors -> normed states of the last layer, [P, D] float32. With
  // `wanted` ([Q] int64, strictly ascending) only those positions, [Q, D]; the last layer then
  // spends nothing on others' queries, attention output and MLP. dropout null: evaluation;
  // otherwise it must live until the backward pass, where checkpointed layers draw again.
  at::Tensor hidden(const at::Tensor& x, const PackedPositions& rows, const DropoutRng* dropout,
                    const at::Tensor& wanted = {}, const Observer& observer = {}) const;
  at::Tensor hidden(const PackedTokens& packed, const DropoutRng* dropout,
                    const at::Tensor& wanted = {}, const Observer& observer = {}) const;

  // Scores of all tokens for states, [rows, V] float32; without autograd.
  at::Tensor logits(const at::Tensor& hidden) const;

  // Mean cross-entropy over the supervised positions, or with targets their weighted sum; the head
  // is computed only there.
  at::Tensor loss(const PackedTokens& packed, const SupervisedPositions& supervised,
                  const DropoutRng* dropout) const;

  const std::vector<LlamaLayer>& blocks() const { return blocks_; }

 private:
  struct Pass;
  at::Tensor block_forward(size_t layer, const at::Tensor& x, const Pass& pass,
                           bool only_wanted) const;
  at::Tensor attention(const LlamaLayer& block, size_t layer, const at::Tensor& normed,
                       const Pass& pass, bool only_wanted) const;

  LlamaConfig config_;
  LlamaOptions options_;
  at::Tensor inverse_frequencies_;  // [head_dim / 2] float64, on the CPU
  Projection embedding_, head_;
  at::Tensor norm_;
  std::vector<LlamaLayer> blocks_;
  std::vector<NamedParameter> parameters_;
  std::vector<std::vector<at::Tensor>> block_parameters_;  // inputs of a checkpointed layer
};

}  // namespace tandem::learn
