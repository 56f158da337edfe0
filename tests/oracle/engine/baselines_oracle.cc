// SPDX-License-Identifier: Apache-2.0
// NARM and BERT4Rec without libtorch against tools/oracle/make_baselines.py: answers for users, and
// hidden states at the masks of BERT4Rec's training rows.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/bert4rec/bert4rec.h"
#include "engine/kernels/score_topk.h"
#include "engine/retriever.h"
#include "formats/safetensors.h"
#include "oracle/report.h"

namespace tandem::engine {
namespace {

constexpr double kLimit = 1e-5;  // float32 against float64

// Rows of a packed pair of tensors NAMEitems and NAMErow_starts.
std::vector<std::vector<int32_t>> rows_of(const SafetensorsFile& file, const std::string& name) {
  const std::span<const int64_t> items = file.at(name + "items").as<int64_t>(),
                                 starts = file.at(name + "row_starts").as<int64_t>();
  std::vector<std::vector<int32_t>> rows;
  for (size_t row = 0; row + 1 < starts.size(); ++row) {
    rows.emplace_back();
    for (int64_t p = starts[row]; p < starts[row + 1]; ++p)
      rows.back().push_back(static_cast<int32_t>(items[p]));
  }
  return rows;
}

void check(const fs::path& folder, OracleReport& report) {
  const auto retriever = load_retriever(folder);
  const SafetensorsFile values(folder / "values.safetensors");
  const std::vector<std::vector<int32_t>> rows = rows_of(values, "history.");
  const std::vector<History> histories(rows.begin(), rows.end());
  ThreadPool pool(2);
  const std::vector<float> hidden = retriever->hidden(histories, pool);
  report.error("users' hidden", relative_to_max(hidden, values.at("history.hidden").as<double>()),
               kLimit);
  ScoreProblem problem = retriever->score_problem(hidden.data(), std::ssize(rows), {});
  problem.exclude_padding = false;
  report.error("users' scores",
               relative_to_max(score_all(problem, pool), values.at("history.scores").as<double>()),
               kLimit);

  const auto* bert = dynamic_cast<const Bert4Rec*>(retriever.get());
  if (bert == nullptr) return;
  const std::span<const int64_t> labels = values.at("labels").as<int64_t>();
  std::vector<float> at_labels;
  size_t position = 0;
  for (const std::vector<int32_t>& row : rows_of(values, "")) {
    const std::vector<float> all = bert->trace(row);
    for (size_t t = 0; t < row.size(); ++t, ++position) {
      if (labels[position] == 0) continue;
      const auto from = all.begin() + static_cast<int64_t>(t) * bert->width();
      at_labels.insert(at_labels.end(), from, from + bert->width());
    }
  }
  report.error("hidden at the labels", relative_to_max(at_labels, values.at("hidden").as<double>()),
               kLimit);
}

const OracleChecker narm("narm-tiny", "engine", check);
const OracleChecker bert4rec("bert4rec-tiny", "engine", check);

}  // namespace
}  // namespace tandem::engine
