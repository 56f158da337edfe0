// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "engine/llama/llama.h"
#include "rank/prompt.h"
#include "rank/ranking_sample.h"

namespace tandem {

// Texts that begin alike: what all have in common, once, and how each goes on. In every text at
// least one token is left to go on with.
struct SharedPrefix {
  std::vector<int32_t> prefix = {};
  std::vector<std::vector<int32_t>> rest = {};
};

// ShapeError for no text or an empty one.
SharedPrefix share_prefix(std::vector<std::vector<int32_t>> texts);

// Second way to rank with a language model, letters being the first: how likely is the candidate's
// title behind the history?
//
//     score(c) = log P(text of history and c) - log P(what the texts of all candidates share)
//              = sum of log P(token | all before) over the tokens of c's text behind the shared
//              ones
//
// The text is render_history of the newest max_history - 1 items and the candidate, as `pretrain
// --dataset` writes histories. The history's keys and values are computed once; the candidates
// continue them, packed, in one more pass, which titles of one token do not need.
//
//   prompts  one a sample
//   result   [prompts, most candidates of one]; columns beyond a prompt's candidates hold -infinity
//
// Prompts are packed in their order, about 4,096 tokens at once; after each pack on_progress sees
// how many are done and their rows. Bits depend on where the packs begin, as in Ranker::score. Safe
// to call concurrently with a pool each.
engine::Matrix title_likelihoods(
    const engine::Llama& model, std::span<const SharedPrefix> prompts, ThreadPool& pool,
    const std::function<void(int64_t done, const engine::Matrix&)>& on_progress = {});

// The history as the likelihood's text begins, without a candidate; for people.
std::string likelihood_text(const PromptConfig& config, const ItemTitles& titles,
                            const RankingSample& sample);

// The texts of a sample's candidates as tokens.
SharedPrefix likelihood_prompt(const PromptConfig& config, const PromptEncoder& encoder,
                               const ItemTitles& titles, const RankingSample& sample);

}  // namespace tandem
