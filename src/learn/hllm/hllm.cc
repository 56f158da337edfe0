// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/hllm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "learn/contrastive/contrast.h"
#include "learn/ops/linear.h"
#include "learn/parameter_init.h"
#include "models/hllm_files.h"

namespace tandem::learn {
namespace {

constexpr std::string_view kItem = "item_llm.", kUser = "user_llm.";

// Means over the rows of x [P, D]: [B, D].
at::Tensor row_means(const at::Tensor& x, const at::Tensor& row_starts) {
  const int64_t rows = row_starts.size(0) - 1;
  const at::Tensor lengths = row_starts.narrow(0, 1, rows) - row_starts.narrow(0, 0, rows);
  const at::Tensor row = at::arange(rows, at::kLong).repeat_interleave(lengths).to(x.device());
  const at::Tensor sums = at::zeros({rows, x.size(1)}, x.options()).index_add(0, row, x);
  return sums / lengths.to(x.device(), x.scalar_type()).unsqueeze(1);
}

}  // namespace

std::vector<NamedParameter> HllmExtras::more() const {
  std::vector<NamedParameter> all;
  if (time) all = time->parameters();
  if (head) all.insert(all.end(), head->parameters().begin(), head->parameters().end());
  return all;
}

void HllmExtras::move_to(at::Device device) {
  for (at::Tensor* value : {&item_token, &logit_scale, &projector})
    if (value->defined()) *value = value->to(device);
  const auto move = [&](std::vector<NamedParameter>& parameters) {
    for (NamedParameter& parameter : parameters) parameter.value = parameter.value.to(device);
  };
  if (time) move(time->parameters());
  if (head) move(head->parameters());
}

HllmExtras new_hllm_extras(int64_t item_width, int64_t user_width, uint64_t seed) {
  const ParameterInit init(seed);
  HllmExtras extras{.item_token = init.unit_normal("item_emb_tokens", {1, 1, item_width}) * 0.02,
                    .logit_scale = init.constant({}, static_cast<float>(initial_log_scale()))};
  if (item_width != user_width)
    extras.projector = init.unit_normal("projector.weight", {user_width, item_width}) /
                       std::sqrt(static_cast<double>(item_width));
  return extras;
}

Hllm::Hllm(HllmConfig config, Llama item, std::optional<Llama> user, HllmExtras extras,
           const std::vector<std::string>& frozen)
    : config_(std::move(config)),
      item_(std::move(item)),
      user_(std::move(user)),
      extras_(std::move(extras)) {
  const int64_t item_width = item_.config().hidden_size, width = user_llm().config().hidden_size;
  if (config_.width != width)
    throw ConfigError("hllm: width is {}, the User LLM's {}", config_.width, width);
  if (!extras_.projector.defined() && item_width != width)
    throw ConfigError("hllm: the Item LLM is {} wide, the User LLM {}, and there is no projector",
                      item_width, width);
  const auto is_frozen = [&](const std::string& name) {
    return std::ranges::any_of(frozen,
                               [&](const auto& prefix) { return name.starts_with(prefix); });
  };
  const auto add = [&](std::string name, at::Tensor value) {
    const bool trained = !is_frozen(name);
    value.set_requires_grad(trained);
    if (trained) parameters_.push_back({std::move(name), std::move(value)});
  };
  const auto add_tower = [&](std::string_view prefix, const Llama& tower) {
    for (const NamedParameter& parameter : tower.parameters())
      add(fmt::format("{}{}", prefix, parameter.name), parameter.value);
  };
  add_tower(kItem, item_);
  if (config_.pooling == HllmPooling::kToken) add(kItemTokenName, extras_.item_token);
  if (extras_.projector.defined()) add(kProjectorName, extras_.projector);
  if (user_) add_tower(kUser, *user_);
  for (const auto& [name, value] : extras_.more()) add(name, value);
  add("logit_scale", extras_.logit_scale);
}

bool Hllm::trains_items() const {
  return std::ranges::any_of(parameters_, [](const NamedParameter& parameter) {
    return parameter.name.starts_with(kItem) || parameter.name == kItemTokenName ||
           parameter.name == kProjectorName;
  });
}

at::Tensor Hllm::encode(const PackedTokens& texts) const {
  at::Tensor vectors;
  if (config_.pooling == HllmPooling::kToken) {
    const int64_t count = texts.row_starts.size(0) - 1;
    const at::Tensor last = texts.row_starts.narrow(0, 1, count) - 1;
    const at::Tensor words = item_.embed(texts.tokens);
    const at::Tensor token = extras_.item_token.view({1, -1}).expand({count, -1});
    const at::Tensor inputs = words.index_copy(0, last.to(words.device()), token);
    vectors = item_.hidden(inputs, {texts.row_starts}, nullptr, last);
  } else {
    vectors = row_means(item_.hidden(texts, nullptr), texts.row_starts);
  }
  return extras_.projector.defined() ? learn::linear(vectors, extras_.projector, at::Tensor())
                                     : vectors;
}

at::Tensor Hllm::user_inputs(const at::Tensor& vectors, const at::Tensor& times) const {
  return extras_.time ? extras_.time->added_to(vectors, times) : vectors;
}

at::Tensor Hllm::user_states(const at::Tensor& inputs, const at::Tensor& row_starts,
                             const at::Tensor& wanted) const {
  return user_llm().hidden(inputs, {row_starts}, nullptr, wanted);
}

}  // namespace tandem::learn
