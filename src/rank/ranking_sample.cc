// SPDX-License-Identifier: Apache-2.0
#include "rank/ranking_sample.h"

#include <algorithm>

namespace tandem {

std::vector<std::string> newest_titles(const ItemTitles& titles, std::span<const int32_t> history,
                                       int64_t count) {
  const auto shown = std::min(history.size(), static_cast<size_t>(std::max<int64_t>(0, count)));
  std::vector<std::string> newest;
  for (const int32_t item : history.last(shown)) newest.push_back(titles[item]);
  return newest;
}

std::string render_sample_history(const PromptConfig& config, const ItemTitles& titles,
                                  const RankingSample& sample) {
  return render_history(config, newest_titles(titles, sample.history, config.max_history));
}

std::string render_sample(const PromptConfig& config, const ItemTitles& titles,
                          const RankingSample& sample) {
  std::vector<std::string> candidates;
  for (const int32_t item : sample.candidates) candidates.push_back(titles[item]);
  return render_prompt(config, newest_titles(titles, sample.history, config.max_history),
                       candidates);
}

}  // namespace tandem
