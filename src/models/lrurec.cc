// SPDX-License-Identifier: Apache-2.0
// LRURec (Yue et al., "Linear Recurrent Units for Sequential Recommendation", WSDM 2024): names and
// shapes of the authors' checkpoints, H = 2 D complex channels.
#include "models/retriever_family.h"

namespace tandem {
namespace {

constexpr std::string_view kBlock = "model.lru_blocks.";
constexpr RetrieverKey kKeys[] = {kBlocksKey};
constexpr int64_t kInner = 4;  // FFN width as a multiple of D

std::vector<TensorSpec> parameters(const RetrieverModelConfig& config) {
  const int64_t width = config.width, channels = 2 * width;
  std::vector<TensorSpec> specs;
  specs.push_back({"embedding.token.weight", {config.num_items + 1, width}});
  add_norm(specs, "embedding.layer_norm", width);
  specs.push_back({"model.bias", {config.num_items + 1}});
  for (int64_t i = 0; i < config.blocks; ++i) {
    const std::string lru = fmt::format("{}{}.lru_layer", kBlock, i);
    const std::string ffn = fmt::format("{}{}.feed_forward", kBlock, i);
    specs.push_back({lru + ".params_log", {3, channels}});
    specs.push_back({lru + ".in_proj.weight", {channels, width, 2}});
    specs.push_back({lru + ".in_proj.bias", {channels, 2}});
    specs.push_back({lru + ".out_proj.weight", {width, channels, 2}});
    specs.push_back({lru + ".out_proj.bias", {width, 2}});
    add_norm(specs, lru + ".layer_norm", width);
    add_linear(specs, ffn + ".w_1", kInner * width, width);
    add_linear(specs, ffn + ".w_2", width, kInner * width);
    add_norm(specs, ffn + ".layer_norm", width);
  }
  return specs;
}

void read_shapes(const TensorShapes& shapes, std::string_view where, RetrieverModelConfig& config) {
  const std::vector<int64_t>& table = matrix_shape(shapes, "embedding.token.weight", where);
  config.num_items = table[0] - 1;
  config.width = table[1];
  config.blocks = count_blocks(shapes, kBlock);
}

// In units of 2 D^2: real input to complex channels and back, each 4, and the FFN's two matrices.
double flops_per_position(const RetrieverModelConfig& config) {
  const double square = static_cast<double>(config.width) * static_cast<double>(config.width);
  return 2 * (4 + 4 + 2.0 * kInner) * square * static_cast<double>(config.blocks);
}

}  // namespace

RetrieverFamily lrurec_family() {
  return {.name = "lrurec",
          .title = "LRURec",
          .made_of = "linear recurrent units",
          .own_name = "model.lru_blocks.0.lru_layer.params_log",
          .keys = kKeys,
          .default_inner = kInner,
          .parameters = parameters,
          .read_shapes = read_shapes,
          .flops_per_position = flops_per_position};
}

}  // namespace tandem
