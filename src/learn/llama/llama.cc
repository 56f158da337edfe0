// SPDX-License-Identifier: Apache-2.0
#include "learn/llama/llama.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <map>
#include <memory>
#include <utility>

#include "core/error.h"
#include "formats/peft_folder.h"
#include "learn/ops/attention.h"
#include "learn/ops/checkpoint.h"
#include "learn/ops/head_cross_entropy.h"
#include "learn/ops/rms_norm.h"
#include "learn/ops/rope.h"
#include "learn/ops/swiglu.h"

namespace tandem::learn {

// What all layers of one forward pass share.
struct Llama::Pass {
  at::Tensor row_starts, wanted;
  at::Tensor wanted_states;  // wanted, where the states are
  Rope rope, wanted_rope;
  DropoutSites inputs, wanted_inputs;  // of adapters
  Observer observer;
  at::ScalarType product;  // type of the products' operands

  const DropoutSites& sites(bool only_wanted) const { return only_wanted ? wanted_inputs : inputs; }
  void observe(size_t layer, std::string_view what, const at::Tensor& value) const {
    if (observer) observer(fmt::format("layers.{}{}", layer, what), value);
  }
};

namespace {

// Makes a model's tensors from its weights, in the order of the forward pass.
class Builder {
 public:
  Builder(const LlamaWeights& weights, const LlamaOptions& options,
          std::vector<NamedParameter>& parameters)
      : weights_(weights), options_(options), parameters_(parameters) {
    for (const TensorSpec& spec : llama_tensors(weights.config())) specs_[spec.name] = spec;
  }

  // A norm's weight or a bias; undefined when the model has none of that name.
  at::Tensor vector(const std::string& name) {
    const auto spec = specs_.find(name);
    if (spec == specs_.end()) return {};
    at::Tensor value = weights_.copy(spec->second).to(options_.device);
    if (options_.train_base) train(name, value);
    return value;
  }

  Projection projection(const std::string& module) {
    Projection made{.module = module};
    const TensorSpec& spec = specs_.at(module + ".weight");
    if (options_.train_base) {
      made.weight = weights_.copy(spec).to(options_.device);
      train(spec.name, made.weight);
    } else {
      made.frozen = weights_.frozen(spec);
      if (!options_.device.is_cpu()) made.frozen = made.frozen->moved(options_.device);
    }
    made.bias = vector(module + ".bias");
    if (!options_.lora || !options_.lora->is_target(module)) return made;
    if (!module.starts_with("model.layers."))
      throw ConfigError("lora: an adapter on {}, expected projections of layers only", module);
    made.adapter =
        new_lora_adapter(spec.shape[1], spec.shape[0], *options_.lora, module, options_.seed);
    made.adapter->a = made.adapter->a.to(options_.device);
    made.adapter->b = made.adapter->b.to(options_.device);
    train(peft_a_key(module), made.adapter->a);
    train(peft_b_key(module), made.adapter->b);
    return made;
  }

 private:
  void train(const std::string& name, at::Tensor& value) {
    value.set_requires_grad(true);
    parameters_.push_back({name, value});
  }

  const LlamaWeights& weights_;
  const LlamaOptions& options_;
  std::vector<NamedParameter>& parameters_;
  std::map<std::string, TensorSpec> specs_;
};

}  // namespace

Llama::Llama(const LlamaWeights& weights, const LlamaOptions& options)
    : config_(weights.config()), options_(options) {
  config_.validate("llama");
  if (options_.lora) options_.lora->validate();
  if (options_.lora && options_.train_base)
    throw ConfigError("llama: adapters need a frozen base, but train_base is on");
  at::NoGradGuard no_grad;
  inverse_frequencies_ = at::tensor(config_.inverse_frequencies(), at::kDouble);
  Builder build(weights, options_, parameters_);
  if (config_.has_embedding) embedding_ = build.projection("model.embed_tokens");
  for (int64_t i = 0; i < config_.num_layers; ++i) {
    const size_t before = parameters_.size();
    const std::string prefix = llama_layer_prefix(i), attention = prefix + "self_attn.";
    LlamaLayer block;
    block.input_norm = build.vector(prefix + "input_layernorm.weight");
    block.q_proj = build.projection(attention + "q_proj");
    block.k_proj = build.projection(attention + "k_proj");
    block.v_proj = build.projection(attention + "v_proj");
    block.q_norm = build.vector(attention + "q_norm.weight");
    block.k_norm = build.vector(attention + "k_norm.weight");
    block.o_proj = build.projection(attention + "o_proj");
    block.post_attention_norm = build.vector(prefix + "post_attention_layernorm.weight");
    block.gate_proj = build.projection(prefix + "mlp.gate_proj");
    block.up_proj = build.projection(prefix + "mlp.up_proj");
    block.down_proj = build.projection(prefix + "mlp.down_proj");
    block.window = config_.window(i);
    blocks_.push_back(std::move(block));
    block_parameters_.emplace_back();
    for (size_t p = before; p < parameters_.size(); ++p)
      block_parameters_.back().push_back(parameters_[p].value);
  }
  norm_ = build.vector("model.norm.weight");
  if (config_.has_head) head_ = config_.tied_head ? embedding_ : build.projection("lm_head");
  if (options_.lora && parameters_.empty())
    throw ConfigError("llama: no projection is called {}", fmt::join(options_.lora->targets, ", "));
}

at::Tensor Llama::embed(const at::Tensor& tokens) const {
  if (tokens.dim() != 1 || tokens.scalar_type() != at::kLong)
    throw ShapeError("llama: tokens must be a vector of int64");
  const at::Tensor ids = tokens.contiguous();
  const int64_t* id = ids.const_data_ptr<int64_t>();
  for (int64_t p = 0; p < ids.numel(); ++p) {
    if (id[p] < 0 || id[p] >= config_.vocab_size)
      throw DataError("llama: token {} at position {}, expected 0 to {}", id[p], p,
                      config_.vocab_size - 1);
  }
  if (!embedding_.weight.defined()) return embedding_.frozen->gather(ids);
  return at::embedding(embedding_.weight, ids.to(options_.device));
}

// normed: the layer's normed input at all positions. Result: at all positions, or the wanted ones.
at::Tensor Llama::attention(const LlamaLayer& block, size_t layer, const at::Tensor& normed,
                            const Pass& pass, bool only_wanted) const {
  const at::Tensor asked = only_wanted ? normed.index_select(0, pass.wanted_states) : normed;
  at::Tensor q = block.q_proj.forward(asked, pass.sites(only_wanted));
  at::Tensor k = block.k_proj.forward(normed, pass.inputs);
  const at::Tensor v = block.v_proj.forward(normed, pass.inputs);
  pass.observe(layer, ".q_proj", q);
  pass.observe(layer, ".k_proj", k);
  pass.observe(layer, ".v_proj", v);
  if (block.q_norm.defined()) {
    q = rms_norm(q, block.q_norm, config_.rms_norm_eps, q.scalar_type());
    k = rms_norm(k, block.k_norm, config_.rms_norm_eps, k.scalar_type());
  }
  q = rotate(q, only_wanted ? pass.wanted_rope : pass.rope);
  k = rotate(k, pass.rope);
  const AttentionShape shape{config_.num_heads, config_.num_kv_heads, config_.head_dim};
  const KeyRanges ranges =
      causal_ranges(pass.row_starts, only_wanted ? pass.wanted : at::Tensor(), block.window);
  const at::Tensor mixed = learn::attention(shape, q, k, v, ranges);
  if (pass.observer) {
    at::Tensor probabilities;
    attention_reference(shape, q, k, v, ranges, {}, &probabilities);
    pass.observe(layer, ".attention", probabilities);
  }
  const at::Tensor out = block.o_proj.forward(mixed, pass.sites(only_wanted));
  pass.observe(layer, ".o_proj", out);
  return out;
}

// x [P, D] -> [P, D], or [Q, D] of the wanted positions.
at::Tensor Llama::block_forward(size_t layer, const at::Tensor& x, const Pass& pass,
                                bool only_wanted) const {
  const LlamaLayer& block = blocks_[layer];
  const double eps = config_.rms_norm_eps;
  const at::Tensor attended =
      attention(block, layer, rms_norm(x, block.input_norm, eps, pass.product), pass, only_wanted);
  const at::Tensor h = (only_wanted ? x.index_select(0, pass.wanted_states) : x) + attended;
  const at::Tensor normed = rms_norm(h, block.post_attention_norm, eps, pass.product);
  const DropoutSites& inputs = pass.sites(only_wanted);
  const at::Tensor fed = block.down_proj.forward(
      swiglu(block.gate_proj.forward(normed, inputs), block.up_proj.forward(normed, inputs)),
      inputs);
  pass.observe(layer, ".mlp", fed);
  at::Tensor y = h + fed;
  pass.observe(layer, "", y);
  return y;
}

at::Tensor Llama::hidden(const at::Tensor& x, const PackedPositions& rows,
                         const DropoutRng* dropout, const at::Tensor& wanted,
                         const Observer& observer) const {
  if (x.dim() != 2 || x.size(1) != config_.hidden_size || x.scalar_type() != at::kFloat)
    throw ShapeError("llama: inputs are [{}, {}] {}, expected {} columns of float32", x.size(0),
                     x.size(-1), c10::toString(x.scalar_type()), config_.hidden_size);
  // Shared with checkpointed layers, which run again in the backward pass.
  const auto pass = std::make_shared<Pass>();
  pass->row_starts = rows.row_starts;
  pass->wanted = wanted;
  const at::Tensor counted = count_positions(rows.row_starts, x.size(0));
  if (rows.positions.defined() && rows.positions.sizes() != counted.sizes())
    throw ShapeError("llama: {} positions for {} inputs", rows.positions.numel(), x.size(0));
  pass->rope = make_rope(rows.positions.defined() ? rows.positions : counted, inverse_frequencies_,
                         at::kFloat)
                   .on(options_.device);
  const double p = options_.lora ? options_.lora->dropout : 0;
  pass->inputs = {dropout, p, x.size(0)};
  pass->wanted_inputs = pass->inputs.at(wanted);
  if (wanted.defined()) {
    pass->wanted_states = wanted.to(options_.device);
    pass->wanted_rope = pass->rope.rows(pass->wanted_states);
  }
  pass->observer = observer;
  pass->product = options_.precision == Precision::kBfloat16 ? at::kBFloat16 : at::kFloat;
  if (observer) observer("embedding", x);
  at::Tensor state = x;
  for (size_t layer = 0; layer < blocks_.size(); ++layer) {
    const bool only_wanted = wanted.defined() && layer + 1 == blocks_.size();
    if (options_.checkpoint_layers) {
      state = checkpoint(
          [this, pass, layer, only_wanted](const at::Tensor& input) {
            return block_forward(layer, input, *pass, only_wanted);
          },
          state, block_parameters_[layer]);
    } else {
      state = block_forward(layer, state, *pass, only_wanted);
    }
  }
  if (wanted.defined() && blocks_.empty()) state = state.index_select(0, pass->wanted_states);
  state = rms_norm(state, norm_, config_.rms_norm_eps, at::kFloat);
  if (observer) observer("norm", state);
  return state;
}

at::Tensor Llama::hidden(const PackedTokens& packed, const DropoutRng* dropout,
                         const at::Tensor& wanted, const Observer& observer) const {
  return hidden(embed(packed.tokens), {packed.row_starts, packed.positions}, dropout, wanted,
                observer);
}

at::Tensor Llama::logits(const at::Tensor& hidden) const {
  return head_logits(hidden, head_.weight, head_.frozen);
}

at::Tensor Llama::loss(const PackedTokens& packed, const SupervisedPositions& supervised,
                       const DropoutRng* dropout) const {
  const at::Tensor states = hidden(packed, dropout, supervised.positions);
  if (supervised.targets)
    return head_soft_cross_entropy(states, head_.weight, head_.frozen, *supervised.targets);
  return head_cross_entropy(states, head_.weight, head_.frozen, supervised.labels);
}

}  // namespace tandem::learn
