// SPDX-License-Identifier: Apache-2.0
#include "offline/crossfit.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/error.h"
#include "core/json.h"
#include "data/folds.h"
#include "formats/run_folder.h"

namespace tandem {
namespace {

constexpr const char* kRemedy = "`tandem train retriever --folds K` makes them";

// What the folds' runs must agree on with the run itself.
struct Identity {
  uint64_t seed = 0;
  std::string fingerprint;
  Json model;  // config.json

  static Identity of(const fs::path& run) {
    const std::string where = (run / "run.json").string();
    const Json info = RunFolder::open(run).info();
    return {.seed = json_get<uint64_t>(info, "seed", where),
            .fingerprint = json_get<std::string>(info, "dataset_fingerprint", where),
            .model = read_json(run / "config.json")};
  }
};

bool finished(const fs::path& run) { return fs::exists(run / "model.safetensors"); }

}  // namespace

fs::path fold_folder(const fs::path& run, int64_t fold) {
  return run / "folds" / std::to_string(fold);
}

std::vector<fs::path> fold_runs(const fs::path& run, const Dataset& dataset) {
  const std::string where = (run / "run.json").string();
  const Json info = RunFolder::open(run).info();
  const auto count = info.contains("folds") ? json_get<int64_t>(info, "folds", where) : 0;
  if (count < 2 && !fs::exists(run / "folds"))
    throw DataError("{}: the retriever was trained without folds; {}", run.string(), kRemedy);
  std::vector<fs::path> runs;
  while (fs::exists(fold_folder(run, std::ssize(runs)) / "run.json"))
    runs.push_back(fold_folder(run, std::ssize(runs)));
  const Identity whole = Identity::of(run);
  if (whole.fingerprint != dataset.fingerprint())
    throw DataError("{}: trained on other data (fingerprint {}, {} has {})", run.string(),
                    whole.fingerprint, dataset.folder().string(), dataset.fingerprint());
  for (int64_t fold = 0; fold < std::ssize(runs); ++fold) {
    const fs::path& path = runs[fold];
    const std::string file = (path / "run.json").string();
    const Json own = RunFolder::open(path).info();
    const auto folds = json_get<int64_t>(own, "folds", file);
    const auto number = json_get<int64_t>(own, "fold", file);
    if (number != fold || folds < 2)
      throw DataError("{}: is fold {} of {}, expected fold {}", file, number, folds, fold);
    if (folds > std::ssize(runs) || !finished(path))
      throw DataError("{}: fold {} of {} is not finished; --resume with --folds {} goes on",
                      run.string(), finished(path) ? std::ssize(runs) + 1 : fold + 1, folds, folds);
    if (folds < std::ssize(runs))
      throw DataError("{}: {} folds, but the run has {}", file, folds, runs.size());
    const Identity identity = Identity::of(path);
    if (identity.fingerprint != whole.fingerprint)
      throw DataError("{}: trained on other data (fingerprint {}) than {} ({})", path.string(),
                      identity.fingerprint, run.string(), whole.fingerprint);
    if (identity.seed != whole.seed)
      throw DataError("{}: seed {}, {} has {}", path.string(), identity.seed, run.string(),
                      whole.seed);
    if (identity.model != whole.model)
      throw DataError("{}: a model of another shape than {}", path.string(), run.string());
  }
  if (runs.empty()) throw DataError("{}: no fold has begun; {}", run.string(), kRemedy);
  return runs;
}

PrefixCandidates retrieve_crossfit(const fs::path& run, const Dataset& dataset,
                                   std::span<const TrainingPrefix> prefixes, int64_t k,
                                   ThreadPool& pool) {
  const std::vector<fs::path> runs = fold_runs(run, dataset);
  const UserFolds folds{.count = std::ssize(runs)};
  PrefixCandidates result{.num_candidates = k};
  result.items.resize(prefixes.size() * static_cast<size_t>(k));
  result.answer_rank.resize(prefixes.size());
  for (int64_t fold = 0; fold < folds.count; ++fold) {
    std::vector<size_t> numbers;  // of the fold's prefixes
    std::vector<TrainingPrefix> own;
    for (size_t i = 0; i < prefixes.size(); ++i) {
      if (folds.of(prefixes[i].user) != fold) continue;
      numbers.push_back(i);
      own.push_back(prefixes[i]);
    }
    const PrefixCandidates part = retrieve_for_prefixes(runs[fold], dataset, own, k, pool);
    for (size_t i = 0; i < numbers.size(); ++i) {
      std::copy_n(part.items.begin() + static_cast<int64_t>(i) * k, k,
                  result.items.begin() + static_cast<int64_t>(numbers[i]) * k);
      result.answer_rank[numbers[i]] = part.answer_rank[i];
    }
  }
  return result;
}

}  // namespace tandem
