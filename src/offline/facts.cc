// SPDX-License-Identifier: Apache-2.0
#include "offline/facts.h"

#include <string_view>

#include "eval/candidate_lists.h"

namespace tandem {
namespace {

template <typename T>
void add_value(Sha256& sha, const T& value) {
  sha.add(std::as_bytes(std::span(&value, 1)));
}

}  // namespace

void add_sample(Sha256& sha, const RankingSample& sample) {
  add_value(sha, sample.user);
  add_value(sha, int64_t{std::ssize(sample.history) + 1});  // of the prefix, which has the answer
  add_value(sha, sample.answer);
  sha.add(std::as_bytes(std::span(sample.candidates)));
}

std::string prompts_fingerprint(const PromptConfig& prompt, const ItemTitles& titles,
                                std::span<const RankingSample> samples) {
  Sha256 sha;
  for (const RankingSample& sample : samples)
    sha.add(render_sample(prompt, titles, sample)).add(std::string_view("\0", 1));
  return sha.hex();
}

Json system_facts(const std::string& system, const SecondStage& stage, const SecondStage* valid,
                  const SecondStageModels& models) {
  Json facts = {{"candidates", lists_fingerprint(stage.candidates)}};
  const bool fused = system == "fused", likelihood = system == "likelihood";
  if (system != "letters" && !likelihood && !fused) return facts;
  if (fused && valid != nullptr) facts["candidates_valid"] = lists_fingerprint(valid->candidates);
  if (models.reader() == nullptr) return facts;
  const TitledRanker& model = likelihood ? *models.likelihood : *models.reader();
  const PromptConfig& prompt = model.ranker.config();
  facts["titles"] = model.titles.fingerprint();
  facts["title_truncation"] = prompt.title_truncation;
  if (!model.tokenizer.empty()) facts["tokenizer"] = model.tokenizer;
  if (likelihood) return facts;  // shows no candidates by letters
  facts["prompts"] = prompts_fingerprint(prompt, model.titles, stage.samples);
  facts["verbalizer"] = prompt.verbalizer;
  return facts;
}

}  // namespace tandem
