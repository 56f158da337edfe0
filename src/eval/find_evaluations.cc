// SPDX-License-Identifier: Apache-2.0
#include "eval/find_evaluations.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "eval/evaluation.h"

namespace tandem {
namespace {

constexpr int kMaxDepth = 5;  // STUDY/steps/NAME/out/all/SYSTEM
constexpr size_t kMostListed = 20;

void search(const fs::path& folder, int depth, std::vector<FoundEvaluation>& found) {
  if (is_evaluation(folder)) {
    try {
      const std::string where = (folder / "metrics.json").string();
      const Json json = read_json(where);
      const Protocol protocol = read_protocol(json_get<Json>(json, "protocol", where), where);
      found.push_back(
          {.folder = folder,
           .system = json_get<std::string>(json, "system", where),
           .users = protocol.users,
           .rules = fmt::format("{} {} {} {} {} {}", protocol.fingerprint, protocol.split,
                                protocol.users, protocol.candidate_set, protocol.seen_items,
                                tie_rule_name(protocol.tie_rule))});
    } catch (const Error&) {
      return;
    }
    return;
  }
  if (depth == 0) return;
  std::error_code error;
  std::vector<fs::path> below;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->is_directory(error) && !entry->is_symlink(error)) below.push_back(entry->path());
  }
  std::ranges::sort(below);
  for (const fs::path& path : below) search(path, depth - 1, found);
}

std::string example(const std::vector<FoundEvaluation>& found) {
  for (size_t a = 0; a < found.size(); ++a) {
    for (size_t b = a + 1; b < found.size(); ++b) {
      if (found[a].rules == found[b].rules)
        return fmt::format("  tandem compare {} {}\n", found[a].folder.string(),
                           found[b].folder.string());
    }
  }
  return "";
}

}  // namespace

bool is_evaluation(const fs::path& folder) {
  return fs::exists(folder / "metrics.json") && fs::exists(folder / "ranks.tsv");
}

std::vector<FoundEvaluation> find_evaluations(const fs::path& folder) {
  std::vector<FoundEvaluation> found;
  search(folder, kMaxDepth, found);
  return found;
}

void expect_evaluation(const fs::path& folder) {
  if (is_evaluation(folder)) return;
  if (!fs::exists(folder)) throw IoError("{}: there is no such folder", folder.string());
  const std::vector<FoundEvaluation> found = find_evaluations(folder);
  if (found.empty())
    throw DataError("{}: holds no evaluation; `tandem eval --output` writes one", folder.string());
  std::string text =
      found.size() == 1
          ? fmt::format("{}: is not an evaluation itself, but holds one; name that\n",
                        folder.string())
          : fmt::format("{}: holds {} evaluations; name two of the same users{}\n", folder.string(),
                        found.size(), example(found).empty() ? "" : ", for example");
  text += example(found);
  if (fs::exists(folder / "results.json") && fs::exists(folder / "steps"))
    text += fmt::format("it is a study: its own comparisons stand in {}\n",
                        (folder / "report.html").string());
  text += "it holds";
  for (size_t i = 0; i < std::min(found.size(), kMostListed); ++i)
    text += fmt::format("\n  {}  ({}, users: {})", found[i].folder.string(), found[i].system,
                        found[i].users);
  if (found.size() > kMostListed)
    text += fmt::format("\n  and {} more", found.size() - kMostListed);
  throw UsageError("{}", text);
}

}  // namespace tandem
