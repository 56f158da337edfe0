// SPDX-License-Identifier: Apache-2.0
// The engine against the authors' LRURec: logits, everything inside, states taken step by step,
// evaluation scores. Limits are those of the oracle's README.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/json.h"
#include "engine/lrurec/lrurec.h"
#include "eval/metrics.h"
#include "formats/safetensors.h"
#include "oracle/report.h"

namespace tandem::engine {
namespace {

constexpr double kLimit = 2e-5;  // logits, scores, LayerNorm outputs, states

using Row = std::vector<int32_t>;

std::vector<Row> rows_of(const TensorView& tensor) {
  const std::span<const int64_t> values = tensor.as<int64_t>();
  const int64_t length = tensor.shape.at(1);
  std::vector<Row> rows(tensor.shape.at(0));
  for (size_t b = 0; b < rows.size(); ++b)
    for (int64_t t = 0; t < length; ++t)
      rows[b].push_back(static_cast<int32_t>(values[static_cast<int64_t>(b) * length + t]));
  return rows;
}

Row without_padding(const Row& row) {
  Row items;
  std::ranges::copy_if(row, std::back_inserter(items), [](int32_t item) { return item != 0; });
  return items;
}

LruRec open_model(const fs::path& weights, int64_t max_length) {
  return LruRec(RetrieverWeights::open(weights, {.max_length = max_length}));
}

// Scores of all classes, 0 included.
std::vector<float> all_scores(const LruRec& model, const std::vector<float>& hidden,
                              ThreadPool& pool) {
  ScoreProblem problem = model.score_problem(hidden.data(), std::ssize(hidden) / model.width(), {});
  problem.exclude_padding = false;
  return score_all(problem, pool);
}

std::vector<LruRec::Trace> traces_of(const LruRec& model, const std::vector<Row>& rows) {
  std::vector<LruRec::Trace> traces;
  for (const Row& row : rows) traces.push_back(model.trace(row));
  return traces;
}

void check_logits(const LruRec& model, const std::vector<LruRec::Trace>& traces,
                  const TensorView& expected, ThreadPool& pool, OracleReport& report) {
  std::vector<float> logits;
  for (const LruRec::Trace& trace : traces) {
    const std::vector<float> row = all_scores(model, trace.ffn_outputs.back(), pool);
    logits.insert(logits.end(), row.begin(), row.end());
  }
  report.error("logits", max_abs_difference(logits, expected.as<double>()), kLimit);
}

// The last L of P positions of row b in a stored [B, P, C] tensor: what the authors add on the left
// is not computed.
std::vector<float> tail(const TensorView& tensor, size_t row, int64_t positions) {
  const std::span<const float> values = tensor.as<float>();
  const int64_t stored = tensor.shape.at(1),
                channels = tensor.count() / (tensor.shape.at(0) * stored);
  const auto end = values.begin() + (static_cast<int64_t>(row) + 1) * stored * channels;
  return {end - positions * channels, end};
}

// [T, 2H] with the imaginary parts behind the real ones, as [T, H, 2].
std::vector<float> interleaved(std::span<const float> state, int64_t channels) {
  std::vector<float> pairs(state.size());
  for (int64_t i = 0; i < std::ssize(state); ++i) {
    const int64_t row = i / (2 * channels), within = i % (2 * channels);
    pairs[row * 2 * channels + 2 * (within % channels) + within / channels] = state[i];
  }
  return pairs;
}

void check_inside(const LruRec& model, const std::vector<LruRec::Trace>& traces,
                  const SafetensorsFile& forward, int64_t length, OracleReport& report) {
  const auto largest = [&](const std::string& name, const auto& found) {
    double error = 0;
    for (size_t b = 0; b < traces.size(); ++b) {
      const double row = max_abs_difference(found(traces[b]), tail(forward.at(name), b, length));
      error = row <= error ? error : row;  // a NaN stays
    }
    report.error(name, error, kLimit);
  };
  largest("embedding.out", [](const auto& trace) { return trace.embedding; });
  for (int64_t i = 0; i < model.config().blocks; ++i) {
    const std::string block = fmt::format("lru_blocks.{}.", i);
    largest(block + "state",
            [&](const auto& trace) { return interleaved(trace.states[i], 2 * model.width()); });
    largest(block + "lru_layer.out", [&](const auto& trace) { return trace.lru_outputs[i]; });
    largest(block + "feed_forward.out", [&](const auto& trace) { return trace.ffn_outputs[i]; });
  }
}

// One interaction at a time must end in the stored states and logits of the last position.
void check_steps(const LruRec& model, const std::vector<Row>& rows, const SafetensorsFile* forward,
                 const TensorView& logits, ThreadPool& pool, OracleReport& report) {
  const int64_t channels = 2 * model.width(), classes = model.num_items() + 1;
  std::vector<float> found, found_states;
  std::vector<double> wanted;
  std::vector<float> wanted_states;
  for (size_t b = 0; b < rows.size(); ++b) {
    const Row items = without_padding(rows[b]);
    if (items.empty()) continue;
    UserState state = model.new_state();
    std::vector<float> hidden(model.width());
    for (const int32_t item : items) model.step(state, {.item = item}, hidden.data());
    const std::vector<float> scores = all_scores(model, hidden, pool);
    found.insert(found.end(), scores.begin(), scores.end());
    const auto row =
        logits.as<double>().begin() + (static_cast<int64_t>(b) + 1) * logits.shape[1] * classes;
    wanted.insert(wanted.end(), row - classes, row);
    for (int64_t i = 0; forward && i < model.config().blocks; ++i) {
      const std::vector<float> h =
          interleaved(std::span(state.values).subspan(i * 2 * channels, 2 * channels), channels);
      found_states.insert(found_states.end(), h.begin(), h.end());
      const std::vector<float> last =
          tail(forward->at(fmt::format("lru_blocks.{}.state", i)), b, 1);
      wanted_states.insert(wanted_states.end(), last.begin(), last.end());
    }
  }
  report.error("logits, one step at a time", max_abs_difference(found, wanted), kLimit);
  if (forward)
    report.error("states, one step at a time", max_abs_difference(found_states, wanted_states),
                 kLimit);
}

void check_evaluation(const LruRec& model, const fs::path& folder, ThreadPool& pool,
                      OracleReport& report) {
  const SafetensorsFile file(folder / "evaluation.safetensors");
  std::vector<Row> items;
  for (const Row& row : rows_of(file.at("inputs"))) items.push_back(without_padding(row));
  const std::vector<History> histories(items.begin(), items.end());
  report.error("evaluation scores",
               max_abs_difference(all_scores(model, model.hidden(histories, pool), pool),
                                  file.at("scores").as<float>()),
               kLimit);
  report.error("evaluation scores, window excluded",
               max_abs_difference(model.score(histories, SeenItems::kWindow, pool),
                                  file.at("scores_history_excluded").as<float>()),
               kLimit);

  const Json expected = read_json(folder / "expected.json");
  const auto stored = expected.find("evaluation_metrics");
  if (stored == expected.end() || !stored->contains("history_excluded")) return;
  std::vector<int32_t> labels, ranks;
  for (const Row& row : rows_of(file.at("labels"))) labels.push_back(row.at(0));
  for (const TargetRank& rank :
       model.top_k_and_rank(histories, 0, labels, SeenItems::kWindow, pool).ranks)
    ranks.push_back(static_cast<int32_t>(rank.rank));
  const std::vector<Metric> metrics = ranking_metrics();
  const std::vector<double> values = means(user_values(ranks, metrics));
  double error = 0;
  for (size_t i = 0; i < metrics.size(); ++i) {
    const auto value = stored->at("history_excluded").find(metrics[i].name());
    if (value != stored->at("history_excluded").end())
      error = std::max(error, std::abs(values[i] - value->get<double>()));
  }
  report.error("evaluation metrics", error, 1e-6);  // stored as float32
}

void check_small(const fs::path& folder, ThreadPool& pool, OracleReport& report) {
  const SafetensorsFile batch(folder / "batch.safetensors"),
      forward(folder / "forward.safetensors");
  const std::vector<Row> rows = rows_of(batch.at("inputs"));
  const int64_t length = batch.at("inputs").shape.at(1);
  const LruRec model = open_model(folder / "weights.safetensors", length);
  const std::vector<LruRec::Trace> traces = traces_of(model, rows);
  check_logits(model, traces, forward.at("logits_f64"), pool, report);
  check_inside(model, traces, forward, length, report);
  check_steps(model, rows, &forward, forward.at("logits_f64"), pool, report);
  check_evaluation(model, folder, pool, report);
}

// Every lengthK.safetensors in paper/.
std::vector<fs::path> length_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("length") && name.ends_with(".safetensors")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

void check_paper(const fs::path& folder, ThreadPool& pool, OracleReport& report) {
  const std::vector<fs::path> files = length_files(folder);
  report.part("paper");
  if (files.empty()) report.fail("lengths", "no lengthK.safetensors");
  for (const fs::path& path : files) {
    report.part("paper/" + path.stem().string());
    const SafetensorsFile file(path);
    const std::vector<Row> rows = rows_of(file.at("inputs"));
    const LruRec model = open_model(folder / "weights.safetensors", file.at("inputs").shape.at(1));
    check_logits(model, traces_of(model, rows), file.at("logits_f64"), pool, report);
    check_steps(model, rows, nullptr, file.at("logits_f64"), pool, report);
  }
}

// The copy in tests/oracle/data has the small variant only.
void check_lrurec(const fs::path& folder, OracleReport& report) {
  ThreadPool pool(1);
  report.part("small");
  check_small(folder / "small", pool, report);
  if (fs::exists(folder / "paper")) check_paper(folder / "paper", pool, report);
}

const OracleChecker checker("lrurec", "engine", check_lrurec);

}  // namespace
}  // namespace tandem::engine
