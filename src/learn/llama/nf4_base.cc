// SPDX-License-Identifier: Apache-2.0
#include "learn/llama/nf4_base.h"

#include "formats/nf4.h"
#include "learn/ops/nf4_weight.h"

namespace tandem::learn {
namespace {

class Nf4Base : public LlamaWeights {
 public:
  explicit Nf4Base(std::shared_ptr<const LlamaSource> source)
      : source_(std::move(source)), weights_(source_weights(source_)) {}

  const LlamaConfig& config() const override { return weights_->config(); }
  at::Tensor copy(const TensorSpec& spec) const override { return weights_->copy(spec); }

  FrozenWeightPtr frozen(const TensorSpec& spec) const override {
    FrozenWeightPtr stored = weights_->frozen(spec);
    const bool is_linear = spec.name.find("_proj.weight") != std::string::npos;
    if (!is_linear || source_->tensor(spec).nf4() != nullptr) return stored;
    at::Tensor scratch;
    const at::Tensor values = stored->rows(0, stored->outputs(), at::kFloat, scratch).contiguous();
    return nf4_weight(
        nf4_quantize(std::span(values.const_data_ptr<float>(), static_cast<size_t>(values.numel())),
                     spec.shape, {.double_quant = true}));
  }

 private:
  std::shared_ptr<const LlamaSource> source_;
  std::unique_ptr<LlamaWeights> weights_;
};

}  // namespace

std::unique_ptr<LlamaWeights> nf4_base(std::shared_ptr<const LlamaSource> source) {
  return std::make_unique<Nf4Base>(std::move(source));
}

}  // namespace tandem::learn
