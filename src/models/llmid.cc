// SPDX-License-Identifier: Apache-2.0
// LLMIDRec, the "SASRec-1B" of HLLM's paper: an item table, a linear map where it is narrower than
// the model, and a Llama that reads the vectors. Names and shapes of the authors' state dict,
// without the word table and the head, which have no part in it.
#include "models/llmid.h"

#include "models/projected_items.h"
#include "models/retriever_family.h"

namespace tandem {
namespace {

constexpr RetrieverKey kKeys[] = {kBlocksKey, kHeadsKey,
                                  RetrieverKey{.name = "kv_heads",
                                               .field = &RetrieverModelConfig::kv_heads,
                                               .most = 8192,
                                               .may_be_absent = true,
                                               .may_be_zero = true},
                                  RetrieverKey{.name = "ffn_width",
                                               .field = &RetrieverModelConfig::ffn_width,
                                               .most = 1 << 20,
                                               .may_be_absent = true,
                                               .may_be_zero = true},
                                  kItemWidthKey};

std::vector<TensorSpec> parameters(const RetrieverModelConfig& config) {
  std::vector<TensorSpec> specs;
  add_projected_items(specs, config);
  for (TensorSpec& spec : llama_tensors(llmid_trunk(config)))
    specs.push_back({kLlmIdTrunk + spec.name, std::move(spec.shape)});
  return specs;
}

void read_shapes(const TensorShapes& shapes, std::string_view where, RetrieverModelConfig& config) {
  const std::string layer = fmt::format("{}model.layers.0.", kLlmIdTrunk);
  const std::vector<int64_t>&up = matrix_shape(shapes, layer + "mlp.up_proj.weight", where),
        &keys = matrix_shape(shapes, layer + "self_attn.k_proj.weight", where);
  read_projected_items(shapes, where, config);
  config.width = up[1];
  config.ffn_width = up[0] == config.width * 11 / 4 ? 0 : up[0];
  config.blocks = count_blocks(shapes, fmt::format("{}model.layers.", kLlmIdTrunk));
  // The number of heads is not in the shapes; it gives that of the key heads.
  const bool fewer = config.width > 0 && keys[0] != config.width;
  config.kv_heads = fewer ? keys[0] * config.heads / config.width : 0;
}

double flops_per_position(const RetrieverModelConfig& config) {
  return static_cast<double>(llmid_trunk(config).flops_per_token(/*with_head=*/false));
}

}  // namespace

LlamaConfig llmid_trunk(const RetrieverModelConfig& config) {
  LlamaConfig trunk;
  trunk.vocab_size = 1;
  trunk.hidden_size = config.width;
  trunk.intermediate_size = config.ffn_width > 0 ? config.ffn_width : config.width * 11 / 4;
  trunk.num_layers = config.blocks;
  trunk.num_heads = config.heads;
  trunk.num_kv_heads = config.kv_heads > 0 ? config.kv_heads : config.heads;
  trunk.head_dim = config.width / config.heads;
  trunk.max_positions = config.max_length;
  trunk.rms_norm_eps = 1e-5;
  trunk.has_embedding = trunk.has_head = false;
  return trunk;
}

RetrieverFamily llmid_family() {
  return {.name = "llmid",
          .title = "LLMIDRec",
          .made_of = "a Llama over item ids",
          .own_name = "user_llm.model.norm.weight",
          .keys = kKeys,
          .default_inner = 1,
          .cosine = true,
          .contrastive = true,
          .parameters = parameters,
          .read_shapes = read_shapes,
          .flops_per_position = flops_per_position,
          .check = [](const RetrieverModelConfig& config, std::string_view where) {
            llmid_trunk(config).validate(where);
          }};
}

}  // namespace tandem
