// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/thread_pool.h"
#include "engine/llama/kv_cache.h"
#include "engine/ops/linear_weight.h"
#include "engine/ops/matrix.h"
#include "engine/ops/rope.h"
#include "formats/peft_folder.h"
#include "models/llama_config.h"
#include "models/llama_source.h"
#include "models/precision.h"

namespace tandem::engine {

// One sequence's share of a packed batch: its next `count` positions. With a cache they continue
// what the cache holds and are added to it; without one they start a sequence, or continue a prefix
// that several sequences may share and that stays as it is.
struct LlamaSequence {
  int64_t count = 0;
  KvCache* cache = nullptr;
  const KvCache* prefix = nullptr;          // not together with a cache
  std::span<const int64_t> positions = {};  // [count], for the rotation; empty: counted up
};

// Intermediate results by name, for oracles and explanations: "embedding", "layers.0.q_proj" (k, v,
// o), "layers.0.attention" (probabilities of the first sequence, [heads * queries, length]),
// "layers.0.mlp", "layers.0", "norm".
using LlamaObserver = std::function<void(const std::string& name, const Matrix& value)>;

// RMSNorm over each head of the queries and of the keys before the rotation (Qwen3).
struct HeadNorms {
  std::vector<float> query, key;  // [head_dim]
};

// What all layers of one pass share.
struct LlamaPass;

// One decoder block:  x += o(attention(norm(x)));  x += down(silu(gate(norm(x))) * up(norm(x)))
struct LlamaLayer {
  std::vector<float> input_norm, post_attention_norm;
  LinearWeight q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj;
  std::optional<HeadNorms> head_norms;
  int64_t window = 0;

  // x [P, D] of all positions -> [Q, D] of those in `queries` (rows of x).
  Matrix forward(Matrix x, int64_t layer, LlamaPass& pass, bool only_wanted) const;

 private:
  Matrix attention(const Matrix& x, int64_t layer, LlamaPass& pass, bool only_wanted) const;
  Matrix mlp(const Matrix& x, ThreadPool& pool) const;
};

// A model of the Llama family on mapped weights, in whatever form the file has them (see
// LinearWeight), with a LoRA adapter beside them where one is given. Sequences of different lengths
// are packed end to end, without padding. The result of a sequence does not depend on which others
// share its batch beyond rounding; the bits do not depend on the number of threads. Safe to use
// from several threads with a pool each.
//
// The precision is that of the products with weights, head included; in bfloat16 their operands are
// rounded, nothing else: residual stream, norms, rotations, attention (products, softmax, cached
// keys and values) and the adapter are float32. Attention is a twentieth of the products' work at
// 700 tokens, and rounded keys would cost accuracy to save half of a cache. The default is float32
// for every checkpoint, because its results are the same to 1e-5 on every machine; bfloat16 is
// asked for by those who want twice the speed.
class Llama {
 public:
  // A Hugging Face folder, also in 4 bits, or a GGUF file; see open_llama(). adapter: a PEFT
  // folder, or empty. Shapes are checked against the configuration first. Throws FormatError,
  // IoError.
  explicit Llama(const fs::path& model, const fs::path& adapter = {},
                 Precision precision = Precision::kFloat32);
  explicit Llama(std::shared_ptr<const LlamaSource> source, const PeftFolder* adapter = nullptr,
                 Precision precision = Precision::kFloat32);

  const LlamaConfig& config() const { return config_; }
  KvCache new_cache(std::shared_ptr<KvBudget> budget = nullptr) const {
    return {config_.num_layers, config_.kv_width(), std::move(budget)};
  }

  // Token embeddings, [tokens, D]. DataError for a token outside the vocabulary.
  Matrix embed(std::span<const int32_t> tokens) const;

  // x [P, D], rows of all sequences end to end -> the normed states of the last `last_rows`
  // positions of each sequence (all of a shorter one; 0 means all), end to end. Positions that are
  // not wanted skip the last layer's queries, attention output and MLP.
  Matrix hidden(Matrix x, std::span<const LlamaSequence> sequences, int64_t last_rows,
                ThreadPool& pool, const LlamaObserver& observer = {}) const;

  // Logits of hidden states, [rows, V], or of some tokens only, [rows, tokens].
  Matrix logits(const Matrix& hidden, ThreadPool& pool) const;
  Matrix logits(const Matrix& hidden, std::span<const int32_t> tokens, ThreadPool& pool) const;

 private:
  std::shared_ptr<const LlamaSource> source_;  // keeps the weights mapped
  LlamaConfig config_;
  std::vector<double> inverse_frequencies_;
  LinearWeight embedding_, head_;
  std::vector<LlamaLayer> layers_;
  std::vector<float> norm_;
};

}  // namespace tandem::engine
