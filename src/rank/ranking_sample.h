// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/history.h"
#include "rank/prompt.h"

namespace tandem {

// One question to a ranker: which of the candidates comes after the history?
struct RankingSample {
  int64_t user = 0;
  engine::History history = {};          // all of it; a prompt shows the newest
  std::vector<int32_t> candidates = {};  // in the prompt's order
  int64_t answer = 0;                    // place of the true item among them
};

// The titles of the newest `count` items of the history, oldest first.
std::vector<std::string> newest_titles(const ItemTitles& titles, std::span<const int32_t> history,
                                       int64_t count);

// The sample's history as its prompt shows it, and the whole prompt.
std::string render_sample_history(const PromptConfig& config, const ItemTitles& titles,
                                  const RankingSample& sample);
std::string render_sample(const PromptConfig& config, const ItemTitles& titles,
                          const RankingSample& sample);

}  // namespace tandem
