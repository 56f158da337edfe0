// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/file.h"
#include "study/study_config.h"

namespace tandem {

// One word of a step's command line: text, or a path. A path below another step's output counts by
// that step's key, any other path by what lies there, so that a study can be moved.
struct StepWord {
  std::string text;
  std::optional<size_t> step = {};  // text is then behind this step's output
  bool is_path = false;
};

// One run of the program. Its key is a SHA-256 of the command, its inputs' keys and what the files
// outside the study hold: equal keys, equal results, so arms that need the same step share it and a
// changed study runs only what changed.
struct Step {
  std::string name;                  // "ml-100k, seed 43, llama3: train ranker"
  std::string kind = {};             // without the seed, for guesses of the time
  std::string verb = {};             // "train ranker"
  std::vector<StepWord> words = {};  // verb and options
  bool resumes = false;              // the verb goes on from its checkpoint
  bool replaces = false;             // the verb has --overwrite (a file is replaced anyway)
  std::string output = "out";        // name of what it writes, in the step's folder
  std::string key = {};
  fs::path folder = {};

  fs::path output_path() const { return folder / output; }
};

// Where the results of one arm on one data set with one seed lie.
struct StudyCell {
  size_t dataset = 0, seed = 0, arm = 0;        // places in the configuration
  std::optional<size_t> retriever = {};         // step that made it; none for popularity
  std::optional<size_t> valid = {}, test = {};  // steps of the candidate files that a ranker sees
  std::optional<size_t> base = {};              // step that made the base; none when it was given
  std::optional<size_t> ranker = {};            // step of its training
  size_t eval = 0;
};

struct StudyPlan {
  std::vector<Step> steps;  // each after those it needs
  std::vector<StudyCell> cells;
  // Per data set its folder; per data set and seed the shared retriever's test candidates, where an
  // arm ranks them anew.
  std::vector<StepWord> dataset_paths;
  std::vector<std::optional<size_t>> subset;  // [data set * seeds + seed]

  fs::path path_of(const StepWord& word) const;
};

// folder: of the study. Reads the files outside the study for their fingerprints; IoError when one
// is missing.
StudyPlan make_study_plan(const StudyConfig& config, const fs::path& folder);

}  // namespace tandem
