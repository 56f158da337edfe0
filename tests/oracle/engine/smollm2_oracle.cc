// SPDX-License-Identifier: Apache-2.0
// A real pretrained model, SmolLM2-135M-Instruct, from its GGUF file and from the folder that is
// made of it, against transformers in float64. The file is not part of the oracle: `./run smollm2`
// fetches it into the cache, TANDEM_SMOLLM2 names another place.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "engine/llama/generate.h"
#include "models/llama_merge.h"
#include "oracle/engine/llama_logits.h"
#include "oracle/report.h"
#include "support/temporary_folder.h"
#include "tokenizer/files.h"
#include "tokenizer/gguf_vocab.h"

namespace tandem::engine {
namespace {

constexpr double kLogitLimit = 1e-3, kLogProbabilityLimit = 1e-5;
constexpr int64_t kTop = 8;

fs::path model_file() {
  if (const char* named = std::getenv("TANDEM_SMOLLM2")) return named;
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  const fs::path root = cache ? fs::path(cache) : fs::path(home ? home : ".") / ".cache";
  return root / "tandem/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
}

std::vector<int32_t> largest(std::span<const float> logits) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + kTop, order.end(),
                    [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  order.resize(kTop);
  return order;
}

double log_probability(const Matrix& logits, std::span<const int32_t> ids) {
  double sum = 0;
  for (size_t t = 0; t + 1 < ids.size(); ++t) {
    const float* row = logits.row(static_cast<int64_t>(t));
    const double top = *std::max_element(row, row + logits.columns);
    double total = 0;
    for (int64_t v = 0; v < logits.columns; ++v) total += std::exp(row[v] - top);
    sum += row[ids[t + 1]] - top - std::log(total);
  }
  return sum;
}

void check_case(const Llama& model, const Json& expected, ThreadPool& pool, OracleReport& report) {
  const auto ids = expected.at("ids").get<std::vector<int32_t>>();
  const Matrix logits = all_logits(model, ids, pool);
  const std::span<const float> last(logits.row(logits.rows - 1),
                                    static_cast<size_t>(logits.columns));
  const auto top = expected.at("top_ids").get<std::vector<int32_t>>();
  report.equal("order of the eight", largest(last) == top);
  const auto gather = [&](const std::vector<int32_t>& tokens) {
    std::vector<float> values;
    for (const int32_t token : tokens) values.push_back(last[token]);
    return values;
  };
  report.error(
      "logits",
      max_abs_difference(gather(top), expected.at("top_logits").get<std::vector<double>>()),
      kLogitLimit);
  const double wanted = expected.at("log_probability").get<double>();
  report.error("log-probability", std::abs(log_probability(logits, ids) / wanted - 1),
               kLogProbabilityLimit);
  if (expected.contains("letter_ids"))
    report.error("letters",
                 max_abs_difference(gather(expected["letter_ids"].get<std::vector<int32_t>>()),
                                    expected.at("letter_logits").get<std::vector<double>>()),
                 kLogitLimit);
  const auto greedy = expected.at("greedy").get<std::vector<int32_t>>();
  report.equal("greedy tokens",
               generate(model, ids, {.max_new_tokens = std::ssize(greedy)}, pool) == greedy);
}

void check_model(const fs::path& path, const Json& cases, ThreadPool& pool, OracleReport& report) {
  const auto tokenizer = load_tokenizer(path);
  const Llama model(path);
  size_t equal = 0;
  for (const Json& expected : cases)
    equal += tokenizer->encode(expected.at("text").get<std::string>()) ==
                     expected.at("ids").get<std::vector<int32_t>>()
                 ? 1
                 : 0;
  report.equal("ids", equal == cases.size(), fmt::format("{} of {} texts", equal, cases.size()));
  for (const Json& expected : cases) check_case(model, expected, pool, report);
}

void check_smollm2(const fs::path& folder, OracleReport& report) {
  const fs::path file = model_file();
  if (!fs::exists(file)) {
    report.skip("model", fmt::format("{} is not here; ./run smollm2 fetches it", file.string()));
    return;
  }
  const Json cases = read_json(folder / "expected.json").at("cases");
  ThreadPool pool(2);
  report.part("gguf");
  check_model(file, cases, pool, report);
  report.part("folder");
  const test::TemporaryFolder root;
  LlamaExport settings{.dtype = DType::kF32};
  settings.add_files = [&](const fs::path& made) {
    write_gguf_tokenizer(read_gguf_vocabulary(file), made);
  };
  export_llama(*open_llama(file), root / "folder", settings, pool);
  check_model(root / "folder", cases, pool, report);
}

const OracleChecker checker("smollm2", "engine", check_smollm2);

}  // namespace
}  // namespace tandem::engine
