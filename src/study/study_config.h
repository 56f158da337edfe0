// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"

namespace tandem {

// Keys and values in the order in which they were written; a later one of the same key counts.
using Settings = std::vector<std::pair<std::string, std::string>>;

// a with those of b put over it.
Settings merged(const Settings& a, const Settings& b);
// The value of a key, or nothing.
std::optional<std::string> find_setting(const Settings& settings, std::string_view key);

// Settings that a data set may change:
//   train.lr: 1e-3
//   datasets: {beauty: {train.lr: 5e-4}}
struct StudySettings {
  Settings common;
  std::map<std::string, Settings> of_dataset;

  Settings for_dataset(const std::string& dataset) const;
};

struct StudyDataset {
  std::string name;
  fs::path path;    // a data set folder, or empty
  Settings import;  // options of `tandem data import`, or empty
};

// A language model: a folder as it is, or one made from random weights by pre-training on the
// histories.
struct StudyBase {
  std::string name;
  fs::path path;
  StudySettings tokenizer, init, pretrain;
};

enum class ArmScore { kLetters, kLikelihood, kFused };

// One column of the table. Without a base it is a retriever alone; with one it ranks the candidates
// of the shared retriever.
struct StudyArm {
  std::string name;
  enum class Retriever { kShared, kPopularity, kOwn, kHllm, kStar } retriever = Retriever::kShared;
  // kOwn, kHllm: put over those of the shared one, of all HLLMs; kStar: options of `train star`
  StudySettings retriever_settings;
  // kHllm: a base, or an earlier arm of HLLM whose run is trained further; kStar: what of the two
  // makes the item vectors.
  std::string towers;
  std::string base;  // name, or ""
  bool trains_ranker = false;
  StudySettings ranker;   // of `tandem train ranker`
  StudySettings prompt;   // prompt.* keys without the prefix
  StudySettings options;  // further options of `tandem eval`
  ArmScore score = ArmScore::kLetters;

  bool is_retriever() const { return base.empty(); }
  // Whether it ranks the shared retriever's candidates: with a base, or that retriever's own order.
  // Other arms find other items, so the users whose held-out item the shared one found say nothing
  // fair about them; they stand among all users only.
  bool ranks_candidates() const { return retriever == Retriever::kShared; }
};

// figures[data set]["all" or "subset"][arm][metric]
using PublishedFigures =
    std::map<std::string,
             std::map<std::string, std::map<std::string, std::map<std::string, double>>>>;

// One arm's figures by metric, or null.
const std::map<std::string, double>* find_published(const PublishedFigures& figures,
                                                    const std::string& dataset,
                                                    const std::string& users,
                                                    const std::string& arm);

// A comparison as its YAML file describes it (docs/study.md). Paths are relative to that file and
// absolute here.
struct StudyConfig {
  std::string title = "Study";
  std::vector<int64_t> seeds = {42};
  std::string device = "cpu";
  int64_t threads = 0;
  int64_t candidates = 20;   // K, of the shared retriever
  int64_t resamples = 2000;  // bootstrap and sign flips
  int64_t resample_seed = 42;
  std::vector<StudyDataset> datasets;
  StudySettings retriever;  // shared
  StudySettings hllm;       // of all arms with towers
  std::vector<StudyBase> bases;
  std::vector<StudyArm> arms;
  std::vector<std::pair<std::string, std::string>> compare;  // (arm, the one it is compared with)
  std::string published_source;
  PublishedFigures published;
  std::string text;  // the file as it is

  const StudyBase& base(const std::string& name) const;
};

// Unknown keys, unknown names and values of another kind are a ConfigError with file, line and what
// was expected.
StudyConfig read_study_config(const fs::path& path);

}  // namespace tandem
