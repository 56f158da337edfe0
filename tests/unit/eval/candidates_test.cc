// SPDX-License-Identifier: Apache-2.0
#include "eval/candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "formats/safetensors.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using ::testing::HasSubstr;

CandidateSet sample_set() {
  return {.num_users = 3,
          .num_candidates = 3,
          .items = {4, 1, 9, 2, 7, 0, 5, 6, 8},
          .scores = {3, 2, 2, 1, 0.5F, 0, -1, -2, -3},
          .target = {1, 3, 0},
          .rank = {2, 0, 0},
          .num_items = 9,
          .split = "test",
          .seen_items = "window",
          .tie_rule = "strict",
          .fingerprint = "f00d",
          .retriever = "lrurec"};
}

TEST(CandidateSet, WritesAndReadsBack) {
  const test::TemporaryFolder folder;
  const CandidateSet written = sample_set();
  write_candidates(folder / "c.safetensors", written);
  const CandidateSet read = read_candidates(folder / "c.safetensors");
  EXPECT_EQ(read.num_users, 3);
  EXPECT_EQ(read.num_candidates, 3);
  EXPECT_EQ(read.items, written.items);
  EXPECT_EQ(read.scores, written.scores);
  EXPECT_EQ(read.target, written.target);
  EXPECT_EQ(read.rank, written.rank);
  EXPECT_EQ(read.num_items, 9);
  EXPECT_EQ(read.split, "test");
  EXPECT_EQ(read.seen_items, "window");
  EXPECT_EQ(read.fingerprint, "f00d");
  EXPECT_EQ(read.retriever, "lrurec");
}

// User 1 is offered two items, all there are for it: its target, which is neither, is excluded.
TEST(CandidateSet, ATargetThatAShortRowLacksHasNoRank) {
  const test::TemporaryFolder folder;
  CandidateSet set = sample_set();
  set.rank[1] = 3;  // behind the two, as it was once written
  write_candidates(folder / "c.safetensors", set);
  EXPECT_EQ(read_candidates(folder / "c.safetensors").rank, (std::vector<int32_t>{2, 0, 0}));
}

TEST(CandidateSet, KnowsWhoseTargetWasRetrieved) {
  const CandidateSet set = sample_set();
  EXPECT_TRUE(set.holds_target(0));
  EXPECT_FALSE(set.holds_target(1));
  EXPECT_FALSE(set.holds_target(2));  // no target: the padding in a row is no hit either
  EXPECT_EQ(set.items_of(2)[0], 5);
}

TEST(CandidateSet, RefusesContradictions) {
  const auto reason = [](const std::function<void(CandidateSet&)>& change) -> std::string {
    CandidateSet set = sample_set();
    change(set);
    try {
      set.validate("c");
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(reason([](CandidateSet&) {}), "");
  EXPECT_THAT(reason([](CandidateSet& s) { s.items[0] = 10; }), HasSubstr("outside 1..9"));
  EXPECT_THAT(reason([](CandidateSet& s) { s.items[0] = -1; }), HasSubstr("outside"));
  EXPECT_THAT(reason([](CandidateSet& s) { s.items[1] = 4; }), HasSubstr("item 4 stands twice"));
  EXPECT_THAT(reason([](CandidateSet& s) { s.items[0] = 0; }), HasSubstr("behind the padding"));
  EXPECT_THAT(reason([](CandidateSet& s) { s.scores[1] = 4; }), HasSubstr("higher score"));
  EXPECT_THAT(reason([](CandidateSet& s) { s.scores[1] = NAN; }), HasSubstr("NaN"));
  EXPECT_THAT(reason([](CandidateSet& s) { s.rank[2] = 1; }), HasSubstr("rank 1"));
  EXPECT_THAT(reason([](CandidateSet& s) { s.rank[0] = 0; }), HasSubstr("rank 0"));
  EXPECT_THAT(reason([](CandidateSet& s) { s.rank[1] = -1; }), HasSubstr("rank -1"));
  EXPECT_THAT(reason([](CandidateSet& s) {
                s.rank[1] = 0;
                s.seen_items = "none";
              }),
              HasSubstr("rank 0"));
  EXPECT_THAT(reason([](CandidateSet& s) { s.target[0] = 12; }), HasSubstr("target 12"));
  EXPECT_THAT(reason([](CandidateSet& s) { s.split = "train"; }), HasSubstr("train"));
  CandidateSet set = sample_set();
  set.rank.pop_back();
  EXPECT_THROW(set.validate("c"), ShapeError);
}

TEST(ReadCandidates, RefusesOtherFiles) {
  const test::TemporaryFolder folder;
  const std::vector<int32_t> items = {1, 2};
  const TensorView tensor{.name = "items",
                          .dtype = DType::kI32,
                          .shape = {2},
                          .bytes = std::as_bytes(std::span(items))};
  const fs::path path = folder / "other.safetensors";
  write_safetensors(path, std::span(&tensor, 1));
  EXPECT_THROW(read_candidates(path), FormatError);  // no metadata
  const Json metadata = {{"format", "tandem-candidates-1"},
                         {"num_items", "9"},
                         {"split", "test"},
                         {"seen_items", "none"},
                         {"tie_rule", "strict"},
                         {"fingerprint", ""},
                         {"retriever", ""}};
  write_safetensors(path, std::span(&tensor, 1), metadata);
  EXPECT_THROW(read_candidates(path), FormatError);  // one axis
  Json bad = metadata;
  bad["num_items"] = "nine";
  write_safetensors(path, std::span(&tensor, 1), bad);
  EXPECT_THROW(read_candidates(path), FormatError);
  // A file cut off in the middle.
  write_candidates(path, sample_set());
  const std::string whole = read_file(path);
  write_file(path, std::string_view(whole).substr(0, whole.size() - 5));
  EXPECT_THROW(read_candidates(path), FormatError);
}

}  // namespace
}  // namespace tandem
