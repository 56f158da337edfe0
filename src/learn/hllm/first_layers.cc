// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/first_layers.h"

#include "core/error.h"

namespace tandem::learn {
namespace {

class FirstLayers final : public LlamaWeights {
 public:
  FirstLayers(std::unique_ptr<LlamaWeights> base, int64_t layers)
      : base_(std::move(base)), config_(base_->config()) {
    config_.num_layers = layers;
    if (!config_.windows.empty()) config_.windows.resize(layers);
  }

  const LlamaConfig& config() const override { return config_; }
  FrozenWeightPtr frozen(const TensorSpec& spec) const override { return base_->frozen(spec); }
  at::Tensor copy(const TensorSpec& spec) const override { return base_->copy(spec); }

 private:
  std::unique_ptr<LlamaWeights> base_;
  LlamaConfig config_;
};

}  // namespace

std::unique_ptr<LlamaWeights> first_layers(std::unique_ptr<LlamaWeights> base, int64_t layers,
                                           const char* key) {
  const int64_t all = base->config().num_layers;
  if (layers > all) throw ConfigError("{} is {}, but the base has {} layers", key, layers, all);
  if (layers == 0 || layers == all) return base;
  return std::make_unique<FirstLayers>(std::move(base), layers);
}

}  // namespace tandem::learn
