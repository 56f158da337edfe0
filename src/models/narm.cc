// SPDX-License-Identifier: Apache-2.0
// NARM (Li et al., "Neural Attentive Session-based Recommendation", CIKM 2017): names and shapes of
// LlamaRec's code family, H = 2 D.
#include "models/retriever_family.h"

namespace tandem {
namespace {

std::vector<TensorSpec> parameters(const RetrieverModelConfig& config) {
  const int64_t width = config.width, state = 2 * width;
  return {{"embedding.token.weight", {config.num_items + 1, width}},
          {"model.gru.weight_ih_l0", {3 * state, width}},
          {"model.gru.weight_hh_l0", {3 * state, state}},
          {"model.gru.bias_ih_l0", {3 * state}},
          {"model.gru.bias_hh_l0", {3 * state}},
          {"model.a_global.weight", {state, state}},
          {"model.a_local.weight", {state, state}},
          {"model.v_vector.weight", {1, state}},
          {"model.b_vetor.weight", {2 * state, width}}};
}

void read_shapes(const TensorShapes& shapes, std::string_view where, RetrieverModelConfig& config) {
  const std::vector<int64_t>& table = matrix_shape(shapes, "embedding.token.weight", where);
  config.num_items = table[0] - 1;
  config.width = table[1];
}

// In units of 2 D^2: gates from D and from 2 D, keys of the local attention from 2 D.
double flops_per_position(const RetrieverModelConfig& config) {
  const double square = static_cast<double>(config.width) * static_cast<double>(config.width);
  return 2 * (6 + 12 + 4) * square;
}

}  // namespace

RetrieverFamily narm_family() {
  return {.name = "narm",
          .title = "NARM",
          .made_of = "GRU and attention",
          .own_name = "model.gru.weight_hh_l0",
          .keys = {},
          .default_inner = 4,  // has none; what its runs' config.yaml says
          .parameters = parameters,
          .read_shapes = read_shapes,
          .flops_per_position = flops_per_position};
}

}  // namespace tandem
