// SPDX-License-Identifier: Apache-2.0
// SASRec (Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018): names and
// shapes of RecBole's checkpoints.
#include "models/retriever_family.h"

namespace tandem {
namespace {

constexpr std::string_view kBlock = "trm_encoder.layer.";
constexpr RetrieverKey kKeys[] = {kBlocksKey, kHeadsKey, kInnerKey};

std::vector<TensorSpec> parameters(const RetrieverModelConfig& config) {
  const int64_t width = config.width;
  std::vector<TensorSpec> specs;
  specs.push_back({"item_embedding.weight", {config.num_items + 1, width}});
  specs.push_back({"position_embedding.weight", {config.max_length, width}});
  for (int64_t i = 0; i < config.blocks; ++i) {
    const std::string attention = fmt::format("{}{}.multi_head_attention", kBlock, i);
    const std::string ffn = fmt::format("{}{}.feed_forward", kBlock, i);
    for (const char* part : {".query", ".key", ".value", ".dense"})
      add_linear(specs, attention + part, width, width);
    add_norm(specs, attention + ".LayerNorm", width);
    add_linear(specs, ffn + ".dense_1", config.inner * width, width);
    add_linear(specs, ffn + ".dense_2", width, config.inner * width);
    add_norm(specs, ffn + ".LayerNorm", width);
  }
  add_norm(specs, "LayerNorm", width);
  return specs;
}

void read_shapes(const TensorShapes& shapes, std::string_view where, RetrieverModelConfig& config) {
  const std::vector<int64_t>& table = matrix_shape(shapes, "item_embedding.weight", where);
  config.num_items = table[0] - 1;
  config.width = table[1];
  config.blocks = count_blocks(shapes, kBlock);
  config.max_length = matrix_shape(shapes, "position_embedding.weight", where)[0];
  const std::string ffn = fmt::format("{}0.feed_forward.dense_1.weight", kBlock);
  config.inner = config.width > 0 ? matrix_shape(shapes, ffn, where)[0] / config.width : 0;
}

}  // namespace

RetrieverFamily sasrec_family() {
  return {.name = "sasrec",
          .title = "SASRec",
          .made_of = "self-attention",
          .own_name = "trm_encoder.layer.0.multi_head_attention.query.weight",
          .keys = kKeys,
          .default_inner = 2,
          .cosine = true,
          .parameters = parameters,
          .read_shapes = read_shapes,
          .flops_per_position = transformer_flops_per_position};
}

}  // namespace tandem
