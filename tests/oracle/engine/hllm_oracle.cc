// SPDX-License-Identifier: Apache-2.0
// HLLM without libtorch against the authors' evaluation: vectors of all items, with both poolings,
// scores, the best 200, Recall and NDCG. Limits are those of the oracle's README.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "engine/hllm/hllm.h"
#include "engine/hllm/item_encoder.h"
#include "eval/metrics.h"
#include "formats/safetensors.h"
#include "oracle/report.h"

namespace tandem::engine {
namespace {

constexpr double kVectorLimit = 5e-5, kScoreLimit = 1e-5, kStepLimit = 1e-5;
constexpr double kMetricLimit = 5.1e-8;  // printed with 7 decimals

using Row = std::vector<int32_t>;

std::vector<Row> rows_of(const TensorView& tensor) {
  const std::span<const int64_t> values = tensor.as<int64_t>();
  const int64_t length = tensor.shape.at(1);
  std::vector<Row> rows(static_cast<size_t>(tensor.shape.at(0)));
  for (int64_t b = 0; b < std::ssize(rows); ++b)
    for (int64_t t = 0; t < length; ++t)
      rows[b].push_back(static_cast<int32_t>(values[b * length + t]));
  return rows;
}

// Histories are padded with zeros at the left.
Row without_padding(const Row& row) {
  Row items;
  std::ranges::copy_if(row, std::back_inserter(items), [](int32_t item) { return item != 0; });
  return items;
}

std::vector<Row> texts_of(const SafetensorsFile& items) {
  const std::span<const int64_t> ids = items.at("input_ids").as<int64_t>();
  std::vector<Row> texts;
  int64_t begin = 0;
  for (const int64_t length : items.at("lens").as<int64_t>()) {
    texts.emplace_back();
    for (const int64_t id : ids.subspan(begin, length))
      texts.back().push_back(static_cast<int32_t>(id));
    begin += length;
  }
  return texts;
}

HllmConfig config_of(const fs::path& folder, const SafetensorsFile& eval) {
  const Json settings = read_json(folder / "report.json").at("settings");
  return {.num_items = eval.at("item_vectors").shape.at(0) - 1,
          .width = eval.at("item_vectors").shape.at(1),
          .max_length = eval.at("test.item_seq").shape.at(1),
          .max_text_length = settings.at("max_text"),
          .item_prompt = settings.at("prompt")};
}

void check_pooling(const fs::path& folder, HllmConfig config, HllmPooling pooling,
                   const TensorView& want, const std::vector<Row>& texts, ThreadPool& pool,
                   OracleReport& report) {
  config.pooling = pooling;
  const Matrix vectors = ItemEncoder(open_hllm(folder, config)).encode(texts, pool);
  report.error(want.name, max_abs_difference(vectors.values, want.as<float>()), kVectorLimit);
}

// What the authors print of a user: the rank of the target among what is not excluded.
void check_metrics(const std::vector<float>& scores, std::span<const int64_t> targets,
                   const Json& want, OracleReport& report) {
  const int64_t classes = std::ssize(scores) / std::ssize(targets);
  std::vector<int32_t> ranks;
  for (int64_t u = 0; u < std::ssize(targets); ++u) {
    const std::span<const float> row(scores.data() + u * classes, static_cast<size_t>(classes));
    const bool excluded = row[targets[u]] == kExcludedScore;
    ranks.push_back(excluded ? 0 : rank_of(row, static_cast<int32_t>(targets[u])).rank);
  }
  for (const auto& [name, value] : want.items()) {
    const MetricKind kind = name.starts_with("recall") ? MetricKind::kRecall : MetricKind::kNdcg;
    const Metric metric{kind, std::stoi(name.substr(name.find('@') + 1))};
    double sum = 0;
    for (const int32_t rank : ranks) sum += metric.value(rank);
    report.error(name, std::abs(sum / static_cast<double>(ranks.size()) - value.get<double>()),
                 kMetricLimit);
  }
}

void check_split(const Hllm& model, const std::string& split, const SafetensorsFile& eval,
                 const Json& want, ThreadPool& pool, OracleReport& report) {
  report.part(split);
  std::vector<Row> rows;
  for (const Row& row : rows_of(eval.at(split + ".item_seq"))) rows.push_back(without_padding(row));
  const std::vector<History> histories(rows.begin(), rows.end());
  const std::vector<float> hidden = model.hidden(histories, pool);
  ScoreProblem problem = model.score_problem(hidden.data(), std::ssize(rows), {});
  problem.exclude_padding = false;
  const std::vector<float> scores = score_all(problem, pool);
  report.error("scores", max_abs_difference(scores, eval.at(split + ".scores").as<float>()),
               kScoreLimit);

  // The whole history is excluded, of which item_seq has the newest items only.
  const std::span<const uint8_t> mask = eval.at(split + ".excluded").as<uint8_t>();
  const int64_t classes = model.num_items() + 1;
  std::vector<Row> excluded(rows.size());
  for (int64_t u = 0; u < std::ssize(rows); ++u)
    for (int32_t item = 1; item < classes; ++item)
      if (mask[u * classes + item] != 0) excluded[u].push_back(item);
  const std::vector<std::span<const int32_t>> skip(excluded.begin(), excluded.end());
  problem = model.score_problem(hidden.data(), std::ssize(rows), skip);
  const std::vector<float> left = score_all(problem, pool);

  // Items of equal text change places, so the list is compared by the scores along it.
  const TensorView& topk = eval.at(split + ".topk");
  const std::span<const int32_t> stored = topk.as<int32_t>();
  const int64_t k = topk.shape.at(1);
  const auto top = score_topk(problem, k, pool);
  double worst = 0;
  int64_t moved = 0;
  bool complete = true;
  for (int64_t u = 0; u < std::ssize(rows); ++u) {
    complete = complete && std::ssize(top[u]) == k;
    for (int64_t i = 0; i < std::ssize(top[u]); ++i) {
      const int32_t theirs = stored[u * k + i];
      worst = std::max<double>(worst, std::abs(top[u][i].score - left[u * classes + theirs]));
      moved += top[u][i].item != theirs;
    }
  }
  report.equal("topk, length", complete, fmt::format("{}, {} items in other places", k, moved));
  report.error("topk, scores along it", worst, kScoreLimit);
  const std::span<const int64_t> targets = eval.at(split + ".target").as<int64_t>();
  check_metrics(left, targets, want.at(split).at("authors"), report);

  // One event at a time.
  double step_error = 0;
  for (int64_t u = 0; u < std::ssize(rows); ++u) {
    UserState state = model.new_state();
    std::vector<float> stepped(static_cast<size_t>(model.width()));
    for (const int32_t item : rows[u]) model.step(state, {.item = item}, stepped.data());
    const std::span<const float> whole(hidden.data() + u * model.width(), stepped.size());
    step_error = std::max(step_error, max_abs_difference(stepped, whole));
  }
  report.error("one event at a time against the full pass", step_error, kStepLimit);
}

void check(const fs::path& folder, OracleReport& report) {
  ThreadPool pool(2);
  const SafetensorsFile eval(folder / "eval.safetensors");
  const HllmConfig config = config_of(folder, eval);
  const std::vector<Row> texts = texts_of(SafetensorsFile(folder / "items.safetensors"));
  check_pooling(folder, config, HllmPooling::kMean, eval.at("item_vectors_mean_pooling"), texts,
                pool, report);
  check_pooling(folder, config, HllmPooling::kToken, eval.at("item_vectors"), texts, pool, report);
  const HllmFiles files = open_hllm(folder, config);
  const Hllm model(files, ItemVectors(ItemEncoder(files).encode(texts, pool)));
  const Json want = read_json(folder / "report.json").at("eval");
  for (const char* split : {"valid", "test"}) check_split(model, split, eval, want, pool, report);
}

const OracleChecker hllm("hllm-tiny", "engine", check);

}  // namespace
}  // namespace tandem::engine
