// SPDX-License-Identifier: Apache-2.0
#include "engine/llmid/llmid.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/sha256.h"
#include "engine/ops/item_table.h"
#include "models/llmid.h"

namespace tandem::engine {
namespace {

// The trunk's parameters among a retriever's, whose shapes have been checked.
class TrunkSource final : public LlamaSource {
 public:
  explicit TrunkSource(const RetrieverWeights& weights)
      : LlamaSource(weights.path(), llmid_trunk(weights.config())), weights_(weights) {
    for (TensorSpec& spec : llama_tensors(config())) specs_.push_back(std::move(spec));
  }

  fs::path file_of(const std::string&) const override { return path(); }
  Json config_json() const override { return config().to_json("float32"); }
  std::string fingerprint() const override {
    Sha256 sha;
    for (const TensorSpec& spec : specs_) sha.add(std::as_bytes(weights_.values(key(spec.name))));
    return sha.hex();
  }

 protected:
  StoredTensor find(const std::string& name) const override {
    const auto spec = std::ranges::find(specs_, name, &TensorSpec::name);
    if (spec == specs_.end())
      throw FormatError("{}: tensor '{}' is missing", path().string(), key(name));
    return StoredTensor(
        {name, DType::kF32, spec->shape, std::as_bytes(weights_.values(key(name)))});
  }

 private:
  static std::string key(const std::string& name) { return kLlmIdTrunk + name; }

  RetrieverWeights weights_;  // keeps the file mapped
  std::vector<TensorSpec> specs_;
};

}  // namespace

LlmId::LlmId(const RetrieverWeights& weights)
    : WindowedRetriever(weights, projected_items(weights), {}),
      trunk_(std::make_shared<TrunkSource>(weights)) {}

void LlmId::forward(std::span<const History> windows, float* out) const {
  ThreadPool pool(1);  // the caller's threads have a share of the windows each
  for (const History& window : windows) {
    // Alone: packed with others, a window's products would be rounded in another order.
    const LlamaSequence sequence{.count = std::ssize(window)};
    Matrix x(sequence.count, width());
    for (int64_t t = 0; t < sequence.count; ++t) copy_item(window[t], x.row(t));
    const Matrix last = trunk_.hidden(std::move(x), std::span(&sequence, 1), 1, pool);
    std::copy_n(last.data(), width(), out);
    out += width();
  }
}

}  // namespace tandem::engine
