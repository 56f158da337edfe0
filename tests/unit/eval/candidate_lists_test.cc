// SPDX-License-Identifier: Apache-2.0
#include "eval/candidate_lists.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

namespace tandem {
namespace {

CandidateSet small_set() {
  return {.num_users = 2,
          .num_candidates = 2,
          .items = {4, 1, 2, 7},
          .scores = {3, 2, 1, 0},
          .target = {1, 3},
          .rank = {2, 8},
          .num_items = 9,
          .split = "test",
          .seen_items = "window",
          .tie_rule = "strict",
          .fingerprint = "f00d",
          .retriever = "lrurec"};
}

TEST(ListsFingerprint, IsOfWhoIsOfferedWhatAndOfNothingElse) {
  const std::string first = lists_fingerprint(small_set());
  const auto after = [](const std::function<void(CandidateSet&)>& change) {
    CandidateSet set = small_set();
    change(set);
    return lists_fingerprint(set);
  };
  EXPECT_EQ(after([](CandidateSet&) {}), first);
  const std::pair<const char*, std::function<void(CandidateSet&)>> counts[] = {
      {"data set", [](CandidateSet& s) { s.fingerprint = "f00e"; }},
      {"split", [](CandidateSet& s) { s.split = "valid"; }},
      {"seen items", [](CandidateSet& s) { s.seen_items = "none"; }},
      {"number of candidates",
       [](CandidateSet& s) {
         s.num_users = 1;
         s.num_candidates = 4;
       }},
      {"an item", [](CandidateSet& s) { s.items[3] = 8; }},
      {"the order", [](CandidateSet& s) { std::swap(s.items[0], s.items[1]); }},
      {"a held-out item", [](CandidateSet& s) { s.target[1] = 5; }}};
  for (const auto& [name, change] : counts) EXPECT_NE(after(change), first) << name;
  const std::pair<const char*, std::function<void(CandidateSet&)>> free[] = {
      {"scores", [](CandidateSet& s) { s.scores[0] = 9; }},
      {"rank of the held-out item", [](CandidateSet& s) { s.rank[1] = 9; }},
      {"the retriever's name", [](CandidateSet& s) { s.retriever = "sasrec"; }}};
  for (const auto& [name, change] : free) EXPECT_EQ(after(change), first) << name;
}

TEST(CandidateSetName, HoldsTheRetrieverTheNumberAndTheLists) {
  const CandidateSet set = small_set();
  EXPECT_EQ(candidate_set_name(set, 2),
            "lrurec top 2, lists " + lists_fingerprint(set).substr(0, 12));
  EXPECT_NE(candidate_set_name(set, 1), candidate_set_name(set, 2));
}

}  // namespace
}  // namespace tandem
