// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "eval/evaluation.h"
#include "eval/history_length.h"
#include "eval/list_metrics.h"
#include "eval/position_bias.h"

namespace tandem {

// One system's lists, measured.
struct ListProfile {
  std::string system;
  std::vector<ListMetric> metrics = {};
};

// One user's question to a ranker and its answer, for people to look at.
struct RankingExample {
  struct Candidate {
    std::string letter, title;
    double probability = 0;
  };
  std::string user, system, prompt;
  std::vector<Candidate> candidates = {};  // in the prompt's order
  int64_t answer = 0;                      // place of the held-out item among them
};

// What became of the lists that a language model wrote (docs/protocols.md).
struct GenerationQuality {
  std::string system;
  int64_t num_users = 0, list_size = 0;
  double compliant = 0;             // share of answers that are a list of list_size lines
  double titles_a_user = 0;         // titles written, at most list_size each
  double hallucinated = 0;          // share of all written titles that no item has
  double in_pool = 0;               // share of all written titles that are a candidate's
  double repeated = 0;              // share of all written titles that stood in the answer before
  double recall10 = 0, ndcg10 = 0;  // of the held-out item in the list
  // An answer as it was written.
  struct Sample {
    std::string user, prompt, answer;
  };
  std::vector<Sample> samples = {};
};

// What Beyond Utility (Jiang et al., WWW 2025) asks of a recommender besides its accuracy, over one
// set of users. Parts that were not asked for are empty.
struct BeyondUtility {
  Protocol protocol = {};
  int64_t num_users = 0;
  std::vector<LengthCurve> by_length = {};  // users grouped by the length of their history
  std::vector<LengthCurve> shortened = {};  // all users, histories cut to the newest items
  std::vector<PositionBias> positions = {};
  std::vector<ListProfile> lists = {};
  std::vector<RankingExample> examples = {};
  std::optional<GenerationQuality> generation = {};
};

// beyond_utility.json of an evaluation's folder.
inline constexpr const char* kBeyondFile = "beyond_utility.json";
Json beyond_json(const BeyondUtility& beyond);
// FormatError naming `where`.
BeyondUtility read_beyond(const fs::path& file);

// The numbers as text for a terminal of 80 columns, a block a part with an empty line behind.
std::string beyond_text(const BeyondUtility& beyond);

}  // namespace tandem
