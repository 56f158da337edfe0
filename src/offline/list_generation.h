// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/thread_pool.h"
#include "data/dataset.h"
#include "eval/beyond_utility.h"
#include "rank/scorers.h"

namespace tandem {

// A title as two people would call it the same: entities of HTML as characters, typographic quotes
// and dashes plain, lower case, runs of blanks as one, none at the ends, no quotes around it.
std::string normalised_title(std::string_view title);

// Items by their normalised title; of equal ones the lowest.
class TitleIndex {
 public:
  explicit TitleIndex(const Dataset& dataset);
  std::optional<int32_t> find(std::string_view title) const;

 private:
  std::unordered_map<std::string, int32_t> items_;
};

// What a model wrote in place of a list.
struct WrittenList {
  std::vector<std::string> titles = {};  // at most as many as were asked for
  bool compliant = false;  // exactly so many lines, line i beginning with its number, all with text
};

// Lines of "1. Title", "(1) Title", "1) Title", "- Title" or a title alone; empty lines are
// skipped,
// "###" ends the list.
WrittenList parse_list(std::string_view answer, int64_t size);

// "... recommend 10 items ..., one a line, numbered ...": history and candidates as the ranker's
// prompt shows them, titles cut alike, candidates without letters.
std::string list_prompt(const PromptConfig& config, Titles history, Titles candidates,
                        int64_t size);

struct ListGenerationOptions {
  int64_t num_users = 50;  // at equal distances in the samples
  int64_t list_size = 10;
  int64_t examples = 3;  // answers that are kept to look at
};

// Lets the model write a list of titles for some of the users, likeliest token by likeliest token,
// and looks its titles up in the catalogue. A written title counts where the item's own title, or
// the title as cut for the prompt, is it. One that is repeated counts once for rank and hit. At
// most list_size (max_title_tokens + 8) tokens an answer. Shows progress, throws Stopped.
GenerationQuality generate_lists(const TitledRanker& model, const Dataset& dataset,
                                 std::span<const RankingSample> samples,
                                 const ListGenerationOptions& options, ThreadPool& pool);

}  // namespace tandem
