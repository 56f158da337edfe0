// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "offline/samples.h"
#include "rank/scorers.h"

namespace tandem {

// What scoring will cost, measured on the first prompts of the users' own.
struct ScoringForecast {
  struct Part {
    std::string scorer;          // "letters", "likelihood"
    int64_t prompts = 0;         // in all passes together
    double tokens_a_prompt = 0;  // mean of some prompts at equal distances
    double tokens_a_second = 0;  // measured

    double seconds() const {
      return tokens_a_prompt * static_cast<double>(prompts) / tokens_a_second;
    }
  };
  std::vector<Part> parts = {};
  int64_t memory_bytes = 0;  // what the process had at most after measuring, and a full pack

  double seconds() const;
  // A line a part, then time and memory in all; lines of at most 80 columns.
  std::string text() const;
};

// How often the models are asked about every user.
struct ScoringPasses {
  int64_t letters = 0, likelihood = 0;
};

// prompts: how many each model will score in all. Scores a few prompts of `samples` until half a
// second, or half a pack, is spent on them.
ScoringForecast forecast_scoring(const SecondStageModels& models,
                                 std::span<const RankingSample> samples,
                                 const ScoringPasses& prompts, ThreadPool& pool);

}  // namespace tandem
