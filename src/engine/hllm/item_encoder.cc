// SPDX-License-Identifier: Apache-2.0
#include "engine/hllm/item_encoder.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "engine/kernels/packed_matrix.h"
#include "models/token_packs.h"

namespace tandem::engine {
namespace {

// The mean of a text's states, summed in double.
void mean_of(const Matrix& states, int64_t begin, int64_t count, float* out) {
  std::vector<double> sums(static_cast<size_t>(states.columns), 0.0);
  for (int64_t r = begin; r < begin + count; ++r)
    for (int64_t d = 0; d < states.columns; ++d) sums[d] += states.row(r)[d];
  for (int64_t d = 0; d < states.columns; ++d)
    out[d] = static_cast<float>(sums[d] / static_cast<double>(std::max<int64_t>(1, count)));
}

}  // namespace

ItemEncoder::ItemEncoder(const HllmFiles& files, Precision precision)
    : model_(files.item_tower, nullptr, precision),
      pooling_(files.config.pooling),
      width_(files.config.width),
      max_text_length_(files.config.max_text_length),
      item_token_(files.item_token),
      projector_(files.projector) {}

Matrix ItemEncoder::pooled(std::span<const std::vector<int32_t>> texts, ThreadPool& pool) const {
  const bool token = pooling_ == HllmPooling::kToken;
  std::vector<int32_t> tokens;
  std::vector<LlamaSequence> sequences;
  for (const std::vector<int32_t>& text : texts) {
    tokens.insert(tokens.end(), text.begin(), text.end() - 1);
    if (token) tokens.push_back(0);  // the placeholder
    sequences.push_back({.count = std::ssize(text) - (token ? 0 : 1)});
  }
  Matrix x = model_.embed(tokens);  // [P, d_item]
  int64_t end = 0;
  if (token) {
    for (const LlamaSequence& sequence : sequences) {
      end += sequence.count;
      std::copy(item_token_.begin(), item_token_.end(), x.row(end - 1));
    }
    return model_.hidden(std::move(x), sequences, 1, pool);
  }
  // A text without tokens has no part in the pass.
  const Matrix states = model_.hidden(std::move(x), sequences, 0, pool);
  Matrix vectors(std::ssize(texts), states.columns);
  for (int64_t i = 0; i < vectors.rows; ++i) {
    mean_of(states, end, sequences[i].count, vectors.row(i));
    end += sequences[i].count;
  }
  return vectors;
}

Matrix ItemEncoder::projected(Matrix vectors) const {
  if (projector_.empty()) return vectors;
  const PackedMatrix weight(projector_.data(), width_, vectors.columns, vectors.columns);
  Matrix out(vectors.rows, width_);
  weight.multiply(vectors.data(), vectors.columns, vectors.rows, nullptr, out.data(), width_);
  return out;
}

Matrix ItemEncoder::encode(std::span<const std::vector<int32_t>> texts, ThreadPool& pool) const {
  std::vector<int64_t> lengths;
  for (const std::vector<int32_t>& text : texts) {
    if (text.empty() || std::ssize(text) > max_text_length_ + 1)
      throw DataError("hllm: text {} has {} tokens with the placeholder, expected 1 to {}",
                      lengths.size(), text.size(), max_text_length_ + 1);
    lengths.push_back(std::ssize(text));
  }
  Matrix vectors(std::ssize(texts), width_);
  for (const TokenPack& pack : token_packs(lengths)) {
    const Matrix some = projected(pooled(texts.subspan(pack.begin, pack.end - pack.begin), pool));
    std::copy(some.values.begin(), some.values.end(), vectors.row(pack.begin));
  }
  return vectors;
}

}  // namespace tandem::engine
