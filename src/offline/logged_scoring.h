// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "core/progress.h"
#include "offline/score_log.h"
#include "rank/scorers.h"

namespace tandem {

// Scoring of a whole data set: a progress bar a pass, rows kept in a log, Stopped after an
// interrupt.
class LoggedScoring final : public ScoringWatch {
 public:
  // log: where finished rows are kept, and taken from; null: nowhere. It must outlive this object.
  explicit LoggedScoring(ScoreLog* log = nullptr) : log_(log) {}

  std::vector<float> begin(const std::string& name, const std::string& label, int64_t rows,
                           int64_t columns) override;
  void finished(const float* rows, int64_t count) override;
  void end() override;

 private:
  ScoreLog* log_;
  std::string name_;  // of the pass
  int64_t columns_ = 0, done_ = 0;
  std::optional<Progress> progress_;
};

}  // namespace tandem
