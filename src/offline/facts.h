// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "core/json.h"
#include "core/sha256.h"
#include "offline/two_stage.h"
#include "rank/scorers.h"

namespace tandem {

// Facts say what a verb really read, mostly as SHA-256s: `train ranker` writes them into its
// run.json, `eval` into the metrics.json of each system, and `study` compares them without reading
// again. docs/formats.md lists the keys.

// Whose sample, how much history, which candidates in which order, and the answer.
void add_sample(Sha256& sha, const RankingSample& sample);

// Of every prompt as text.
std::string prompts_fingerprint(const PromptConfig& prompt, const ItemTitles& titles,
                                std::span<const RankingSample> samples);

// What one system of a second stage read: "letters", "likelihood", "fused", or the retriever, which
// read nothing but candidates. valid: the stage in which fusion weights were found, or null.
Json system_facts(const std::string& system, const SecondStage& stage, const SecondStage* valid,
                  const SecondStageModels& models);

}  // namespace tandem
