// SPDX-License-Identifier: Apache-2.0
// The Llama family in training against transformers: logits in float32 and bfloat16, every layer,
// losses, all gradients.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "learn/llama/llama.h"
#include "oracle/learn/llama_cases.h"
#include "oracle/llama_names.h"

namespace tandem::learn {
namespace {

// The READMEs' limits, relative to the largest element.
constexpr double kLogitsLimit = 1e-5, kHiddenLimit = 1e-5, kLossLimit = 2e-6, kGradientLimit = 2e-5;
// A bfloat16 run may differ from the float64 one by half more than transformers' own does.
constexpr double kBf16Factor = 1.5;

using Sequences = std::map<std::string, std::vector<int64_t>>;

Llama load(const fs::path& folder, const LlamaOptions& options) {
  return {*source_weights(open_llama(folder)), options};
}

at::Tensor all_logits(const Llama& model, const PackedTokens& packed,
                      const Llama::Observer& observer = {}) {
  at::NoGradGuard no_grad;
  return model.logits(model.hidden(packed, nullptr, {}, observer));
}

void check_sequences(const Llama& model, const Sequences& sequences, const SafetensorsFile& want,
                     const std::string& prefix, OracleReport& report) {
  for (const auto& [name, tokens] : sequences) {
    const std::string key = prefix + "." + name;
    if (!want.contains(key)) continue;
    report.error(
        key, tensor_error(all_logits(model, pack_sequence(tokens)), stored_tensor(want.at(key))),
        kLogitsLimit);
  }
}

void check_layers(const Llama& model, const Sequences& sequences, const SafetensorsFile& want,
                  OracleReport& report) {
  for (const auto& [name, tokens] : sequences) {
    if (!want.contains("hidden." + name + ".0")) continue;
    const std::string& sequence = name;  // clang 14 does not capture a structured binding
    all_logits(model, pack_sequence(tokens), [&](const std::string& seen, const at::Tensor& value) {
      const std::string key = stored_name(seen, sequence, model.config().num_layers);
      if (!want.contains(key)) return;
      report.error(key, tensor_error(value, stored_tensor(want.at(key))), kHiddenLimit);
    });
  }
}

void check_batch(const Llama& model, const Json& inputs, const SafetensorsFile& want,
                 const std::string& name, OracleReport& report) {
  const PackedCase batch = pack_batch(inputs.at(name));
  const at::Tensor stored = stored_tensor(want.at("logits." + name));  // [B, T, V]
  const at::Tensor wanted =
      stored.reshape({-1, stored.size(2)}).index_select(0, batch.cells);  // [P, V]
  report.error("logits." + name, tensor_error(all_logits(model, batch.packed), wanted),
               kLogitsLimit);
  at::NoGradGuard no_grad;
  report.error("loss." + name,
               tensor_error(model.loss(batch.packed, batch.supervised, nullptr),
                            stored_tensor(want.at("loss." + name))),
               kLossLimit);
  const at::Tensor states = model.hidden(batch.packed, nullptr, batch.supervised.positions);
  report.error(
      "logits." + name + " at supervised positions",
      tensor_error(model.logits(states), wanted.index_select(0, batch.supervised.positions)),
      kLogitsLimit);
}

void check_all_positions_loss(const Llama& model, const Sequences& sequences,
                              const SafetensorsFile& want, OracleReport& report) {
  at::NoGradGuard no_grad;
  for (const auto& [name, tokens] : sequences) {
    const std::string key = "loss." + name + "_all_positions";
    if (!want.contains(key)) continue;
    std::vector<int64_t> positions, labels;
    for (size_t t = 0; t + 1 < tokens.size(); ++t) {
      positions.push_back(static_cast<int64_t>(t));
      labels.push_back(tokens[t + 1]);
    }
    const SupervisedPositions supervised{at::tensor(positions, at::kLong),
                                         at::tensor(labels, at::kLong)};
    report.error(key,
                 tensor_error(model.loss(pack_sequence(tokens), supervised, nullptr),
                              stored_tensor(want.at(key))),
                 kLossLimit);
  }
}

// All gradients of one batch under full tuning.
void check_gradients(const fs::path& folder, const Json& inputs, const SafetensorsFile& want,
                     OracleReport& report) {
  const PackedCase batch = pack_batch(inputs.at("batch_left"));
  std::vector<at::Tensor> plain;
  for (const bool checkpoint : {false, true}) {
    const Llama model =
        load(folder / "model", {.train_base = true, .checkpoint_layers = checkpoint});
    model.loss(batch.packed, batch.supervised, nullptr).backward();
    bool is_equal = true;
    size_t number = 0;
    for (const NamedParameter& parameter : model.parameters()) {
      const at::Tensor gradient = parameter.value.grad();
      if (checkpoint) {
        is_equal = is_equal && gradient.equal(plain[number++]);
        continue;
      }
      plain.push_back(gradient);
      const std::string key = "grad." + parameter.name;
      report.error(key, tensor_error(gradient, stored_tensor(want.at(key))), kGradientLimit);
    }
    if (checkpoint)
      report.equal("gradients with activation checkpointing", is_equal,
                   fmt::format("{} parameters, same bits", plain.size()));
  }
  size_t stored = 0;
  for (const auto& [name, view] : want.tensors()) stored += name.starts_with("grad.");
  report.equal("number of gradients", stored == plain.size(), fmt::format("{}", stored));
}

// Arithmetic in bfloat16 against float64, within 1.5 times what transformers' own run differs by.
void check_bfloat16(const fs::path& folder, const Sequences& sequences, const SafetensorsFile& want,
                    OracleReport& report) {
  const Llama model = load(folder / "model", {.precision = Precision::kBfloat16});
  double largest = 0, largest_l2 = 0, limit = 0, limit_l2 = 0;
  for (const auto& [name, tokens] : sequences) {
    const std::string key = "logits_bf16." + name;
    if (!want.contains(key)) continue;
    const at::Tensor exact = stored_tensor(want.at("logits_fp64." + name));
    const at::Tensor theirs = stored_tensor(want.at(key));
    const at::Tensor ours = all_logits(model, pack_sequence(tokens));
    const auto l2 = [&](const at::Tensor& value) {
      const double difference =
          at::linalg_vector_norm(value.to(at::kDouble) - exact).item<double>();
      return difference / at::linalg_vector_norm(exact).item<double>();
    };
    largest = std::max(largest, tensor_error(ours, exact));
    largest_l2 = std::max(largest_l2, l2(ours));
    limit = std::max(limit, kBf16Factor * tensor_error(theirs, exact));
    limit_l2 = std::max(limit_l2, kBf16Factor * l2(theirs));
  }
  if (limit == 0) return report.skip("bfloat16", "no logits_bf16 stored");
  report.error("bfloat16 logits, largest", largest, limit);
  report.error("bfloat16 logits, L2", largest_l2, limit_l2);
}

void check_llama(const fs::path& folder, OracleReport& report) {
  const Json inputs = read_json(folder / "inputs.json");
  const auto sequences = json_get<Sequences>(inputs, "sequences", "inputs.json");
  const SafetensorsFile want(folder / "outputs.safetensors");
  const Llama model = load(folder / "model", {});
  check_sequences(model, sequences, want, "logits", report);
  check_sequences(model, sequences, want, "logits_fp64", report);
  check_layers(model, sequences, want, report);
  for (const char* batch : {"batch_left", "batch_right"})
    check_batch(model, inputs, want, batch, report);
  check_all_positions_loss(model, sequences, want, report);
  check_gradients(folder, inputs, want, report);
  check_bfloat16(folder, sequences, want, report);
  if (fs::is_directory(folder / "model-sharded")) {
    report.part("sharded");
    check_sequences(load(folder / "model-sharded", {}), sequences, want, "logits", report);
  }
  if (fs::is_directory(folder / "model-bf16")) {
    report.part("bf16");
    check_sequences(load(folder / "model-bf16", {}), sequences, want, "logits_bf16w", report);
  }
}

const OracleChecker llama2("llama2-tiny", "learn", check_llama);
const OracleChecker llama3("llama3-tiny", "learn", check_llama);
const OracleChecker tied("tied", "learn", check_llama);
const OracleChecker qwen2("qwen2-tiny", "learn", check_llama);
const OracleChecker qwen3("qwen3-tiny", "learn", check_llama);
const OracleChecker mistral("mistral-tiny", "learn", check_llama);

}  // namespace
}  // namespace tandem::learn
