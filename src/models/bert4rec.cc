// SPDX-License-Identifier: Apache-2.0
// BERT4Rec (Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder
// Representations from Transformer", CIKM 2019): names and shapes of LlamaRec's code family. The
// item after the last, num_items + 1, is the mask.
#include "models/retriever_family.h"

namespace tandem {
namespace {

constexpr std::string_view kBlock = "model.transformer_blocks.";
constexpr RetrieverKey kKeys[] = {kBlocksKey, kHeadsKey, kInnerKey};

std::vector<TensorSpec> parameters(const RetrieverModelConfig& config) {
  const int64_t width = config.width, classes = config.num_items + 2;
  std::vector<TensorSpec> specs;
  specs.push_back({"embedding.token.weight", {classes, width}});
  specs.push_back({"embedding.position.pe.weight", {config.max_length + 1, width}});
  add_norm(specs, "embedding.layer_norm", width);
  specs.push_back({"model.bias", {classes}});
  for (int64_t i = 0; i < config.blocks; ++i) {
    const std::string block = fmt::format("{}{}.", kBlock, i);
    for (int part = 0; part < 3; ++part)
      add_linear(specs, fmt::format("{}attention.linear_layers.{}", block, part), width, width);
    add_linear(specs, block + "attention.output_linear", width, width);
    add_linear(specs, block + "feed_forward.w_1", config.inner * width, width);
    add_linear(specs, block + "feed_forward.w_2", width, config.inner * width);
    add_norm(specs, block + "input_sublayer.layer_norm", width);
    add_norm(specs, block + "output_sublayer.layer_norm", width);
  }
  add_linear(specs, "model.linear", width, width);
  return specs;
}

void read_shapes(const TensorShapes& shapes, std::string_view where, RetrieverModelConfig& config) {
  const std::vector<int64_t>& table = matrix_shape(shapes, "embedding.token.weight", where);
  config.num_items = table[0] - 2;
  config.width = table[1];
  config.blocks = count_blocks(shapes, kBlock);
  config.max_length = matrix_shape(shapes, "embedding.position.pe.weight", where)[0] - 1;
  const std::string ffn = fmt::format("{}0.feed_forward.w_1.weight", kBlock);
  config.inner = config.width > 0 ? matrix_shape(shapes, ffn, where)[0] / config.width : 0;
}

}  // namespace

RetrieverFamily bert4rec_family() {
  return {.name = "bert4rec",
          .title = "BERT4Rec",
          .made_of = "bidirectional self-attention, masked items",
          .own_name = "embedding.position.pe.weight",
          .keys = kKeys,
          .default_inner = 4,
          .parameters = parameters,
          .read_shapes = read_shapes,
          .flops_per_position = transformer_flops_per_position};
}

}  // namespace tandem
