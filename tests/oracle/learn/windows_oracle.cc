// SPDX-License-Identifier: Apache-2.0
// Training rows of LRURec's trainer against the samples of the authors' data sets.
#include <ATen/core/Tensor.h>

#include <vector>

#include "core/json.h"
#include "learn/retriever/windows.h"
#include "oracle/report.h"

namespace tandem::learn {
namespace {

// One packed row as the authors' left-padded arrays.
std::vector<int64_t> padded(const at::Tensor& values, int64_t max_length) {
  std::vector<int64_t> row(max_length, 0);
  const int64_t* data = values.const_data_ptr<int64_t>();
  std::copy(data, data + values.numel(), row.end() - values.numel());
  return row;
}

void check_windows(const fs::path& folder, OracleReport& report) {
  report.part("windows");
  const fs::path path = folder / "windows.json";
  if (!fs::exists(path)) {
    report.skip("training windows", "no windows.json");
    return;
  }
  const std::string where = path.string();
  const Json json = read_json(path);
  const auto max_length = json_get<int64_t>(json, "max_len", where);
  std::vector<std::vector<int64_t>> inputs, labels;
  const auto sequences = json_get<Json>(json, "train_sequences", where);
  for (const auto& [user, items] : sequences.items()) {
    const auto sequence = items.get<std::vector<int32_t>>();
    for (const TrainingRow& row : training_rows(sequence, max_length)) {
      const TrainingExample example[] = {next_items(row)};
      const PackedBatch batch = pack(example);
      inputs.push_back(padded(batch.items, max_length));
      labels.push_back(padded(batch.labels, max_length));
    }
  }
  const auto samples = json_get<Json>(json, "train_samples", where);
  bool same_inputs = inputs.size() == samples.size(), same_labels = same_inputs;
  for (size_t i = 0; same_inputs && i < samples.size(); ++i) {
    same_inputs = inputs[i] == json_get<std::vector<int64_t>>(samples[i], "inputs", where);
    same_labels =
        same_labels && labels[i] == json_get<std::vector<int64_t>>(samples[i], "labels", where);
  }
  const std::string count =
      fmt::format("{} windows, the authors have {}", inputs.size(), samples.size());
  report.equal("training inputs", same_inputs, count);
  report.equal("training labels", same_labels, count);
}

const OracleChecker checker("lrurec", "learn", check_windows);

}  // namespace
}  // namespace tandem::learn
