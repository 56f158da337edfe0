// SPDX-License-Identifier: Apache-2.0
// HSTU (Zhai et al., "Actions Speak Louder than Words", ICML 2024) in the form that HLLM's authors
// released as their baseline: names and shapes of their state dict. The relative bias tables there
// are never used, and only asked for where config.json says relative_bias.
#include "models/projected_items.h"
#include "models/relative_bias.h"
#include "models/retriever_family.h"

namespace tandem {
namespace {

constexpr std::string_view kLayer = "_hstu._attention_layers.";
constexpr RetrieverKey kKeys[] = {kBlocksKey,
                                  kHeadsKey,
                                  kItemWidthKey,
                                  {.name = "relative_bias",
                                   .field = &RetrieverModelConfig::relative_bias,
                                   .most = 1,
                                   .may_be_absent = true,
                                   .may_be_zero = true}};

std::vector<TensorSpec> parameters(const RetrieverModelConfig& config) {
  const int64_t width = config.width;
  std::vector<TensorSpec> specs;
  add_projected_items(specs, config);
  // The last row is the authors' and unused: positions are 0..max_length - 1.
  specs.push_back({"position_embedding.weight", {config.max_length + 1, width}});
  for (int64_t i = 0; i < config.blocks; ++i) {
    const std::string layer = fmt::format("{}{}.", kLayer, i);
    specs.push_back({layer + "_uvqk", {width, 4 * width}});
    add_linear(specs, layer + "_o", width, width);
    if (config.relative_bias != 0) {
      specs.push_back({layer + "_rel_attn_bias._pos_w", {2 * config.max_length - 1}});
      specs.push_back({layer + "_rel_attn_bias._ts_w", {kTimeBuckets}});
    }
  }
  return specs;
}

void read_shapes(const TensorShapes& shapes, std::string_view where, RetrieverModelConfig& config) {
  const std::vector<int64_t>& places = matrix_shape(shapes, "position_embedding.weight", where);
  read_projected_items(shapes, where, config);
  config.width = places[1];
  config.blocks = count_blocks(shapes, kLayer);
  config.max_length = places[0] - 1;
}

double flops_per_position(const RetrieverModelConfig& config) {
  const auto width = static_cast<double>(config.width);
  return 2 * 5 * width * width * static_cast<double>(config.blocks);
}

}  // namespace

RetrieverFamily hstu_family() {
  return {.name = "hstu",
          .title = "HSTU",
          .made_of = "gated attention without softmax",
          .own_name = "_hstu._attention_layers.0._uvqk",
          .keys = kKeys,
          .default_inner = 1,
          .cosine = true,
          .contrastive = true,
          .parameters = parameters,
          .read_shapes = read_shapes,
          .flops_per_position = flops_per_position};
}

}  // namespace tandem
