// SPDX-License-Identifier: Apache-2.0
// The Llama family against transformers: logits, every layer, RoPE, losses, generation.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "engine/llama/generate.h"
#include "engine/llama/llama.h"
#include "formats/safetensors.h"
#include "oracle/engine/llama_logits.h"
#include "oracle/llama_names.h"
#include "oracle/report.h"

namespace tandem::engine {
namespace {

// The READMEs' limits, relative to the largest element.
constexpr double kLogitsLimit = 1e-5, kHiddenLimit = 1e-5, kLossLimit = 2e-6, kBeamLimit = 1e-5;
constexpr double kBf16Factor = 1.5;

using Tokens = std::vector<int32_t>;

std::vector<double> numbers(const TensorView& view) {
  if (view.dtype == DType::kF32) {
    const auto values = view.as<float>();
    return {values.begin(), values.end()};
  }
  const auto values = view.as<double>();
  return {values.begin(), values.end()};
}

std::map<std::string, Tokens> sequences_of(const Json& inputs) {
  return json_get<std::map<std::string, Tokens>>(inputs, "sequences", "inputs.json");
}

void check_sequences(const Llama& model, const Json& inputs, const SafetensorsFile& want,
                     const std::string& prefix, ThreadPool& pool, OracleReport& report) {
  for (const auto& [name, tokens] : sequences_of(inputs)) {
    const std::string key = prefix + "." + name;
    if (!want.contains(key)) continue;
    const Matrix logits = all_logits(model, tokens, pool);
    report.error(key, relative_to_max(logits.values, numbers(want.at(key))), kLogitsLimit);
  }
}

void check_layers(const Llama& model, const Json& inputs, const SafetensorsFile& want,
                  ThreadPool& pool, OracleReport& report) {
  for (const auto& [name, tokens] : sequences_of(inputs)) {
    if (!want.contains("hidden." + name + ".0")) continue;
    all_logits(model, tokens, pool, [&](const std::string& observed, const Matrix& value) {
      const std::string key = stored_name(observed, name, model.config().num_layers);
      if (!want.contains(key)) return;
      report.error(key, relative_to_max(value.values, numbers(want.at(key))), kHiddenLimit);
    });
  }
  const std::vector<double> frequencies = model.config().inverse_frequencies();
  report.error("rope.inv_freq", relative_to_max(frequencies, numbers(want.at("rope.inv_freq"))),
               1e-6);
  report.error("rope.inv_freq_fp64",
               relative_to_max(frequencies, numbers(want.at("rope.inv_freq_fp64"))), 1e-12);
}

double cross_entropy(const float* logits, int64_t count, int64_t label) {
  double top = logits[0], sum = 0;
  for (int64_t v = 1; v < count; ++v) top = std::max(top, double{logits[v]});
  for (int64_t v = 0; v < count; ++v) sum += std::exp(logits[v] - top);
  return std::log(sum) + top - logits[label];
}

// A padded batch, its real tokens packed end to end: logits of real rows, loss of labelled ones.
void check_batch(const Llama& model, const Json& inputs, const SafetensorsFile& want,
                 const std::string& name, ThreadPool& pool, OracleReport& report) {
  const Json& batch = inputs.at(name);
  const auto ids = batch.at("input_ids").get<std::vector<Tokens>>();
  const auto mask = batch.at("attention_mask").get<std::vector<Tokens>>();
  const auto labels = batch.at("labels").get<std::vector<std::vector<int64_t>>>();
  Tokens packed;
  std::vector<LlamaSequence> sequences;
  for (size_t b = 0; b < ids.size(); ++b) {
    sequences.push_back({0});
    for (size_t t = 0; t < ids[b].size(); ++t) {
      if (mask[b][t] == 0) continue;
      packed.push_back(ids[b][t]);
      ++sequences.back().count;
    }
  }
  const Matrix logits = model.logits(model.hidden(model.embed(packed), sequences, 0, pool), pool);
  const std::vector<double> stored = numbers(want.at("logits." + name));
  const auto columns = static_cast<size_t>(logits.columns);
  std::vector<double> expected;
  double loss = 0;
  int64_t row = 0, supervised = 0;
  for (size_t b = 0; b < ids.size(); ++b) {
    for (size_t t = 0; t < ids[b].size(); ++t) {
      if (mask[b][t] == 0) continue;
      const auto from = stored.begin() + static_cast<int64_t>((b * ids[b].size() + t) * columns);
      expected.insert(expected.end(), from, from + static_cast<int64_t>(columns));
      if (t + 1 < ids[b].size() && labels[b][t + 1] >= 0) {
        loss += cross_entropy(logits.row(row), logits.columns, labels[b][t + 1]);
        ++supervised;
      }
      ++row;
    }
  }
  report.error("logits." + name, relative_to_max(logits.values, expected), kLogitsLimit);
  report.error("loss." + name,
               relative_to_max(std::vector<double>{loss / static_cast<double>(supervised)},
                               numbers(want.at("loss." + name))),
               kLossLimit);

  // Only the last position of each sequence, and only some labels of it.
  const Matrix last = model.hidden(model.embed(packed), sequences, 1, pool);
  const Tokens some = {3, 0, static_cast<int32_t>(columns) - 1};
  const Matrix label_logits = model.logits(last, some, pool);
  std::vector<double> wanted_labels;
  int64_t end = 0;
  for (const LlamaSequence& sequence : sequences) {
    end += sequence.count;
    for (const int32_t token : some)
      wanted_labels.push_back(expected[static_cast<size_t>(end - 1) * columns + token]);
  }
  report.error("logits." + name + " at last labels",
               relative_to_max(label_logits.values, wanted_labels), kLogitsLimit);
}

void check_all_positions_loss(const Llama& model, const Json& inputs, const SafetensorsFile& want,
                              ThreadPool& pool, OracleReport& report) {
  const auto sequences = sequences_of(inputs);
  for (const auto& [name, tokens] : sequences) {
    const std::string key = "loss." + name + "_all_positions";
    if (!want.contains(key)) continue;
    const Matrix logits = all_logits(model, tokens, pool);
    double loss = 0;
    for (size_t t = 0; t + 1 < tokens.size(); ++t)
      loss += cross_entropy(logits.row(static_cast<int64_t>(t)), logits.columns, tokens[t + 1]);
    loss /= static_cast<double>(tokens.size() - 1);
    report.error(key, relative_to_max(std::vector<double>{loss}, numbers(want.at(key))),
                 kLossLimit);
  }
}

std::vector<int64_t> eos_of(const Json& json) {
  const Json& eos = json.at("eos_token_id");
  if (eos.is_null()) return {};
  return eos.is_array() ? eos.get<std::vector<int64_t>>() : std::vector{eos.get<int64_t>()};
}

void check_generation(const Llama& model, const Json& generation, ThreadPool& pool,
                      OracleReport& report) {
  const Json& greedy = generation.at("greedy");
  const auto prompts = greedy.at("prompts").get<std::vector<Tokens>>();
  const auto wanted = greedy.at("new_tokens").get<std::vector<Tokens>>();
  const GenerationOptions options{.max_new_tokens = greedy.at("max_new_tokens").get<int64_t>(),
                                  .eos_tokens = eos_of(greedy)};
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Tokens tokens = generate(model, prompts[i], options, pool);
    report.equal(fmt::format("greedy {}", i), tokens == wanted[i],
                 fmt::format("{} tokens", tokens.size()));
  }
  int number = 0;
  for (const Json& beam : generation.at("beam")) {
    const BeamOptions beam_options{.num_beams = beam.at("num_beams").get<int64_t>(),
                                   .max_new_tokens = beam.at("max_new_tokens").get<int64_t>(),
                                   .eos_tokens = eos_of(beam),
                                   .length_penalty = beam.at("length_penalty").get<double>(),
                                   .early_stopping = beam.at("early_stopping").get<bool>()};
    const std::vector<Hypothesis> found =
        beam_search(model, beam.at("prompt").get<Tokens>(), beam_options, pool);
    std::vector<Tokens> tokens;
    std::vector<double> scores;
    for (const Hypothesis& hypothesis : found) {
      tokens.push_back(hypothesis.tokens);
      scores.push_back(hypothesis.score);
    }
    const auto wanted_tokens = beam.at("new_tokens").get<std::vector<Tokens>>();
    report.equal(fmt::format("beam {} tokens", number), tokens == wanted_tokens,
                 fmt::format("{} hypotheses", tokens.size()));
    report.error(fmt::format("beam {} scores", number),
                 relative_to_max(scores, beam.at("scores").get<std::vector<double>>()), kBeamLimit);
    ++number;
  }
}

// The other spelling of the configuration must mean the same model.
void check_old_spelling(const fs::path& model, const LlamaConfig& config, OracleReport& report) {
  const fs::path path = model / "config.v4.json";
  if (!fs::exists(path)) return;
  const LlamaConfig old = LlamaConfig::from_json(read_json(path), path.string());
  report.equal("config.v4.json", old.to_json("") == config.to_json(""), "as config.json");
}

// Arithmetic in bfloat16 against float64, within 1.5 times what transformers' own run differs by.
void check_bfloat16(const Llama& model, const Json& inputs, const SafetensorsFile& want,
                    ThreadPool& pool, OracleReport& report) {
  double largest = 0, largest_l2 = 0, limit = 0, limit_l2 = 0;
  for (const auto& [name, tokens] : sequences_of(inputs)) {
    const std::string key = "logits_bf16." + name;
    if (!want.contains(key)) continue;
    const std::vector<double> exact = numbers(want.at("logits_fp64." + name));
    const std::vector<float> theirs = StoredTensor(want.at(key)).read();
    const Matrix ours = all_logits(model, tokens, pool);
    const auto l2 = [&](const std::vector<float>& value) {
      double difference = 0, scale = 0;
      for (size_t i = 0; i < exact.size(); ++i) {
        difference += (value.at(i) - exact[i]) * (value.at(i) - exact[i]);
        scale += exact[i] * exact[i];
      }
      return std::sqrt(difference / scale);
    };
    largest = std::max(largest, relative_to_max(ours.values, exact));
    largest_l2 = std::max(largest_l2, l2(ours.values));
    limit = std::max(limit, kBf16Factor * relative_to_max(theirs, exact));
    limit_l2 = std::max(limit_l2, kBf16Factor * l2(theirs));
  }
  if (limit == 0) return report.skip("bfloat16", "no logits_bf16 stored");
  report.error("bfloat16 logits, largest", largest, limit);
  report.error("bfloat16 logits, L2", largest_l2, limit_l2);
}

void check_llama(const fs::path& folder, OracleReport& report) {
  ThreadPool pool(2);
  const Json inputs = read_json(folder / "inputs.json");
  const SafetensorsFile want(folder / "outputs.safetensors");
  const Llama model(folder / "model");
  check_old_spelling(folder / "model", model.config(), report);
  check_sequences(model, inputs, want, "logits", pool, report);
  check_sequences(model, inputs, want, "logits_fp64", pool, report);
  check_layers(model, inputs, want, pool, report);
  for (const char* batch : {"batch_left", "batch_right"})
    check_batch(model, inputs, want, batch, pool, report);
  check_all_positions_loss(model, inputs, want, pool, report);
  check_generation(model, read_json(folder / "generation.json"), pool, report);
  check_bfloat16(Llama(folder / "model", {}, Precision::kBfloat16), inputs, want, pool, report);
  if (fs::is_directory(folder / "model-sharded")) {
    report.part("sharded");
    check_sequences(Llama(folder / "model-sharded"), inputs, want, "logits", pool, report);
  }
  if (fs::is_directory(folder / "model-bf16")) {
    report.part("bf16");
    check_sequences(Llama(folder / "model-bf16"), inputs, want, "logits_bf16w", pool, report);
    check_bfloat16(Llama(folder / "model-bf16", {}, Precision::kBfloat16), inputs, want, pool,
                   report);
  }
}

const OracleChecker llama2("llama2-tiny", "engine", check_llama);
const OracleChecker llama3("llama3-tiny", "engine", check_llama);
const OracleChecker tied("tied", "engine", check_llama);
const OracleChecker qwen2("qwen2-tiny", "engine", check_llama);
const OracleChecker qwen3("qwen3-tiny", "engine", check_llama);
const OracleChecker mistral("mistral-tiny", "engine", check_llama);

}  // namespace
}  // namespace tandem::engine
