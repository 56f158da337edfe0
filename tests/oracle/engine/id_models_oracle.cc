// SPDX-License-Identifier: Apache-2.0
// HLLM's ID baselines without libtorch: item vectors, scores, the list of the best, recall and NDCG
// of both splits, for the parameters before training.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "engine/retriever.h"
#include "eval/metrics.h"
#include "formats/safetensors.h"
#include "models/llmid.h"
#include "oracle/report.h"
#include "support/temporary_folder.h"

namespace tandem::engine {
namespace {

constexpr double kVectorLimit = 5e-5, kScoreLimit = 1e-5;  // README.md of the oracles
constexpr double kMetricLimit = 1e-6;                      // stored with 7 decimals

// A stored tensor of whole numbers, whatever their width.
std::vector<int64_t> whole(const TensorView& tensor) {
  std::vector<int64_t> values;
  const auto take = [&](const auto& span) { values.assign(span.begin(), span.end()); };
  if (tensor.dtype == DType::kI32) {
    take(tensor.as<int32_t>());
  } else if (tensor.dtype == DType::kU8) {
    take(tensor.as<uint8_t>());
  } else {
    take(tensor.as<int64_t>());
  }
  return values;
}

// The worst difference of the authors' figures from those of the ranks; 0: can never be hit.
double metric_difference(const std::vector<int32_t>& ranks, const Json& authors) {
  double worst = 0;
  for (const auto& [name, wanted] : authors.items()) {
    const Metric metric{name.starts_with("recall") ? MetricKind::kRecall : MetricKind::kNdcg,
                        std::stoi(name.substr(name.find('@') + 1))};
    const double mean = means(user_values(ranks, std::vector{metric}))[0];
    worst = std::max(worst, std::abs(mean - wanted.get<double>()));
  }
  return worst;
}

void check_split(const Retriever& model, const SafetensorsFile& file, const std::string& split,
                 const Json& authors, ThreadPool& pool, OracleReport& report) {
  const TensorView& stored = file.at(split + ".scores");
  const int64_t users = stored.shape[0], items = stored.shape[1];
  const std::vector<int64_t> sequences = whole(file.at(split + ".item_seq"));
  const int64_t length = file.at(split + ".item_seq").shape[1];
  std::vector<std::vector<int32_t>> rows(users);
  for (int64_t row = 0; row < users; ++row)
    for (int64_t t = 0; t < length; ++t)
      if (const int64_t item = sequences[row * length + t]; item != 0)
        rows[row].push_back(static_cast<int32_t>(item));
  const std::vector<History> histories(rows.begin(), rows.end());
  const std::vector<float> hidden = model.hidden(histories, pool);
  ScoreProblem problem = model.score_problem(hidden.data(), users, {});
  problem.exclude_padding = false;
  std::vector<float> scores = score_all(problem, pool);
  report.error(split + " scores", max_abs_difference(scores, stored.as<float>()), kScoreLimit);

  const std::vector<int64_t> excluded = whole(file.at(split + ".excluded"));
  for (size_t i = 0; i < scores.size(); ++i)
    if (excluded[i] != 0) scores[i] = kExcludedScore;
  const std::vector<int64_t> top = whole(file.at(split + ".topk")),
                             targets = whole(file.at(split + ".target"));
  const int64_t k = file.at(split + ".topk").shape[1];
  double worst = 0;  // down the list: which of two items of nearly one score is first is rounding
  std::vector<int32_t> ranks;
  for (int64_t row = 0; row < users; ++row) {
    const float* score = scores.data() + row * items;
    std::vector<float> sorted(score, score + items);
    std::ranges::sort(sorted, std::greater<>());
    for (int64_t i = 0; i < k; ++i)
      worst = std::max(worst, std::abs(static_cast<double>(sorted[i]) - score[top[row * k + i]]));
    const float target = score[targets[row]];
    const bool out = excluded[row * items + targets[row]] != 0;
    const auto above = std::count_if(score, score + items, [&](float s) { return s > target; });
    ranks.push_back(out ? 0 : 1 + static_cast<int32_t>(above));
  }
  report.error(split + " scores down the list", worst, kScoreLimit);
  report.error(split + " recall and NDCG", metric_difference(ranks, authors), kMetricLimit);
}

// The items' vectors are what unit hidden states score: row i of the identity gives column i.
std::vector<float> item_vectors(const Retriever& model, ThreadPool& pool) {
  const int64_t width = model.width(), items = model.num_items() + 1;
  std::vector<float> axes(width * width, 0.0f), vectors(items * width);
  for (int64_t i = 0; i < width; ++i) axes[i * width + i] = 1;
  ScoreProblem problem = model.score_problem(axes.data(), width, {});
  problem.exclude_padding = false;
  const std::vector<float> columns = score_all(problem, pool);
  for (int64_t item = 0; item < items; ++item)
    for (int64_t i = 0; i < width; ++i) vectors[item * width + i] = columns[i * items + item];
  return vectors;
}

// LLMIDRec's trunk is a folder of its own: a run folder that has both.
void write_run(const fs::path& run, const fs::path& weights, const fs::path& trunk) {
  const SafetensorsFile items(weights), layers(trunk / "model.safetensors");
  const fs::path config = trunk / "config.json";
  const LlamaConfig llama = LlamaConfig::from_json(read_json(config), config.string());
  const std::vector<int64_t>& table = items.at("item_embedding.weight").shape;
  std::vector<TensorView> tensors;
  for (const auto& [name, tensor] : items.tensors()) tensors.push_back(tensor);
  for (const auto& [name, tensor] : layers.tensors()) {
    tensors.push_back(tensor);
    tensors.back().name = kLlmIdTrunk + name;
  }
  write_safetensors(run / kRetrieverWeightsFile, tensors);
  const RetrieverModelConfig model{
      .model_type = "llmid",
      .num_items = table[0] - 1,
      .width = llama.hidden_size,
      .blocks = llama.num_layers,
      .heads = llama.num_heads,
      .kv_heads = llama.num_kv_heads,
      .ffn_width = llama.intermediate_size,
      .item_width = items.contains("item_id_proj_tower.weight") ? table[1] : 0,
      .similarity = Similarity::kCosine};
  write_json(run / kRetrieverConfigFile, model.to_json());
}

std::unique_ptr<Retriever> open_case(const fs::path& folder, const std::string& name,
                                     int64_t heads) {
  const fs::path weights = folder / (name + ".model.safetensors"), trunk = folder / "user_llm";
  if (!fs::exists(trunk))
    return load_retriever(weights, {.heads = heads, .similarity = Similarity::kCosine});
  const test::TemporaryFolder run;
  write_run(run.path(), weights, trunk);
  return load_retriever(run.path());  // the mapping outlives the file's name
}

void check(const fs::path& folder, OracleReport& report) {
  const std::string where = (folder / "report.json").string();
  const Json all = read_json(folder / "report.json");
  const Json settings = json_get<Json>(all, "settings", where);
  for (const std::string name : {"shared", "own"}) {
    if (!fs::exists(folder / (name + ".model.safetensors"))) continue;
    report.part(name);
    const auto model = open_case(folder, name, json_get<int64_t>(settings, "heads", where));
    const SafetensorsFile file(folder / (name + ".eval.safetensors"));
    ThreadPool pool(2);
    report.error(
        "item vectors",
        max_abs_difference(item_vectors(*model, pool), file.at("item_vectors").as<float>()),
        kVectorLimit);
    const Json of_case = json_get<Json>(json_get<Json>(all, "cases", where), name, where);
    const Json eval = json_get<Json>(of_case, "eval", where);
    for (const std::string split : {"valid", "test"})
      check_split(*model, file, split,
                  json_get<Json>(json_get<Json>(eval, split, where), "authors", where), pool,
                  report);
  }
}

const OracleChecker sasrec("sasrec-tiny", "engine", check);
const OracleChecker hstu("hstu-tiny", "engine", check);
const OracleChecker llmid("llmid-tiny", "engine", check);

}  // namespace
}  // namespace tandem::engine
