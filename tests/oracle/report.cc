// SPDX-License-Identifier: Apache-2.0
#include "oracle/report.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <exception>
#include <utility>

namespace tandem {
namespace {

// Every kind of folder that a collection of oracles may hold, checked by these programs or not. The
// list makes `lrurec-runs` a kind of its own and not a variant of `lrurec`.
constexpr std::array<std::string_view, 27> kOracles = {
    "bert4rec-tiny", "narm-tiny",  "chatglm-tiny", "gguf",       "glm-data",    "glm-tiny",
    "glm4-hf-tiny",  "hllm-data",  "hllm-tiny",    "hstu-tiny",  "int8",        "llama2-tiny",
    "llama3-tiny",   "llmid-tiny", "lora",         "lrurec",     "lrurec-runs", "metrics",
    "mistral-tiny",  "nf4",        "qwen2-tiny",   "qwen3-tiny", "sasrec-tiny", "smollm2",
    "tied",          "tokenizers", "verbalizer"};

std::vector<const OracleChecker*>& registry() {
  static std::vector<const OracleChecker*> checkers;
  return checkers;
}

void search(const fs::path& folder, int depth, std::vector<fs::path>& found) {
  if (!oracle_of_name(folder.filename().string()).empty()) {
    found.push_back(folder);
    return;
  }
  if (depth == 0) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) search(entry.path(), depth - 1, found);
  }
}

}  // namespace

void OracleReport::begin(std::string oracle) {
  oracle_ = std::move(oracle);
  part_.clear();
}

void OracleReport::part(std::string part) { part_ = std::move(part); }

void OracleReport::error(std::string_view quantity, double value, double limit) {
  line(quantity, fmt::format("error {:.1e}   limit {:.1e}", value, limit),
       value <= limit && std::isfinite(value) ? Outcome::kPass : Outcome::kFail);
}

void OracleReport::equal(std::string_view quantity, bool is_equal, std::string_view detail) {
  const std::string text = is_equal ? "equal" : "differs";
  line(quantity, detail.empty() ? text : fmt::format("{}: {}", text, detail),
       is_equal ? Outcome::kPass : Outcome::kFail);
}

void OracleReport::fail(std::string_view quantity, std::string_view reason) {
  line(quantity, reason, Outcome::kFail);
}

void OracleReport::skip(std::string_view quantity, std::string_view reason) {
  line(quantity, reason, Outcome::kSkip);
}

void OracleReport::line(std::string_view quantity, std::string_view text, Outcome outcome) {
  static constexpr std::array<const char*, 3> kWords = {"pass", "fail", "skip"};
  static constexpr std::array<const char*, 3> kColours = {"\033[32m", "\033[31m", "\033[33m"};
  const auto index = static_cast<size_t>(outcome);
  ++(outcome == Outcome::kPass ? passed_ : outcome == Outcome::kFail ? failed_ : skipped_);
  if (quiet_) return;
  const std::string place = part_.empty() ? oracle_ : oracle_ + "/" + part_;
  const std::string word =
      colour_ ? fmt::format("{}{}\033[0m", kColours[index], kWords[index]) : kWords[index];
  fmt::print("{:<16} {:<50} {:<34} {}\n", place, quantity, text, word);
  std::fflush(stdout);  // a checker that ends the process must not take its lines along
}

std::string OracleReport::summary() const {
  std::string text = fmt::format("{} passed, {} failed", passed_, failed_);
  if (skipped_ > 0) text += fmt::format(", {} skipped", skipped_);
  return text;
}

OracleChecker::OracleChecker(std::string_view oracle_name, std::string_view half_name,
                             Check check_function)
    : oracle(oracle_name), half(half_name), check(check_function) {
  registry().push_back(this);
}

const std::vector<const OracleChecker*>& oracle_checkers() { return registry(); }

std::string_view oracle_of_name(std::string_view folder_name) {
  std::string_view best;
  const auto consider = [&](std::string_view oracle) {
    const bool matches =
        folder_name == oracle ||
        (folder_name.starts_with(oracle) &&
         std::string_view("-_.").find(folder_name[oracle.size()]) != std::string_view::npos);
    if (matches && oracle.size() > best.size()) best = oracle;
  };
  for (const std::string_view oracle : kOracles) consider(oracle);
  for (const OracleChecker* checker : oracle_checkers()) consider(checker->oracle);
  return best;
}

std::vector<fs::path> find_oracles(const fs::path& root) {
  std::vector<fs::path> found;
  constexpr int kDepth = 8;
  fs::path start = fs::absolute(root).lexically_normal();  // a link's own name counts
  if (!start.has_filename()) start = start.parent_path();
  search(start, kDepth, found);
  std::sort(found.begin(), found.end());
  return found;
}

void check_oracle(const fs::path& folder, OracleReport& report) {
  const std::string name = folder.filename().string();
  const std::string_view oracle = oracle_of_name(name);
  for (const OracleChecker* checker : oracle_checkers()) {
    if (checker->oracle != oracle) continue;
    report.begin(name);
    try {
      checker->check(folder, report);
    } catch (const std::exception& error) {
      report.fail("checker stopped", error.what());
    }
  }
}

}  // namespace tandem
