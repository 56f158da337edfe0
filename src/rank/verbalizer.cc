// SPDX-License-Identifier: Apache-2.0
#include "rank/verbalizer.h"

#include <map>

#include "core/error.h"

namespace tandem {
namespace {

void check_distinct(const std::vector<int32_t>& ids, std::string_view kind) {
  std::map<int32_t, size_t> seen;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto [known, is_new] = seen.emplace(ids[i], i);
    if (!is_new)
      throw DataError("{} verbalizer: the letters '{}' and '{}' are both token {}", kind,
                      letter_of(static_cast<int64_t>(known->second)),
                      letter_of(static_cast<int64_t>(i)), ids[i]);
  }
}

}  // namespace

Verbalizer make_verbalizer(const PromptEncoder& encoder, const PromptConfig& config) {
  Verbalizer verbalizer{.compat = config.verbalizer == "compat"};
  const std::string titles[] = {"one", "two"};
  const std::string prompt = render_prompt(config, Titles(titles, 1), titles);
  for (int64_t i = 0; i < config.num_candidates; ++i) {
    const std::string letter = letter_of(i);
    verbalizer.trained.push_back(encoder.letter_token(prompt, letter));
    if (!verbalizer.compat) continue;
    const std::vector<int32_t> alone = encoder.tokenizer().encode(letter);
    if (alone.empty()) throw DataError("compat verbalizer: '{}' alone has no token", letter);
    verbalizer.ids.push_back(alone.front());
  }
  if (!verbalizer.compat) verbalizer.ids = verbalizer.trained;
  check_distinct(verbalizer.trained, "exact");
  check_distinct(verbalizer.ids, config.verbalizer);
  return verbalizer;
}

}  // namespace tandem
