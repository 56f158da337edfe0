// SPDX-License-Identifier: Apache-2.0
// The sets of ../shared/data against the counts of its README, and MovieLens against LlamaRec's own
// preprocessing.
#include <gtest/gtest.h>

#include <algorithm>

#include "data/dataset.h"
#include "data/import.h"
#include "support/temporary_folder.h"

// Options are named where they differ from the default.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace tandem {
namespace {

const fs::path kShared = "../shared/data";

class RealSets : public ::testing::Test {
 protected:
  ImportReport import(ImportOptions options, const std::string& name) {
    options.overwrite = true;
    ThreadPool pool(2);
    return import_dataset(options, folder_ / name, pool);
  }
  const test::TemporaryFolder folder_;
};

struct Expected {
  const char* name;
  int64_t raw[3], core[3];
};

constexpr Expected kSets[] = {
    {"ml-latest-small", {610, 9724, 100836}, {610, 3650, 90274}},
    {"llamarec-ml-100k", {610, 3650, 90274}, {610, 3650, 90274}},
    {"llamarec-beauty", {22332, 12086, 198215}, {22332, 12086, 198215}},
    {"amazon-2014-beauty", {22363, 12101, 198502}, {22363, 12101, 198502}},
    {"amazon-2014-sports", {35598, 18357, 296337}, {35598, 18357, 296337}},
    {"amazon-2014-toys", {19412, 11924, 167597}, {19412, 11924, 167597}},
    {"lrurec-beauty", {52204, 57289, 394908}, {22363, 12101, 198502}},
    {"amazon-2014-musical-instruments", {1429, 900, 10261}, {1429, 900, 10261}},
    {"amazon-2018-all-beauty", {991, 85, 5269}, {961, 49, 5084}},
    {"movietweetings", {21081, 12611, 141695}, {5973, 3119, 102461}},
    {"movietweetings-mini", {5973, 3119, 102461}, {5973, 3119, 102461}},
    {"online-retail-mini", {2241, 2592, 106722}, {2241, 2592, 106722}},
    {"goodbooks-mini", {2908, 9301, 145523}, {2908, 9207, 145163}},
};

TEST_F(RealSets, CountsEqualTheReadme) {
  int found = 0;
  for (const Expected& set : kSets) {
    if (!fs::exists(kShared / set.name)) continue;
    SCOPED_TRACE(set.name);
    ++found;
    const PrepareReport report =
        import({.input = kShared / set.name, .min_user = 5, .min_item = 5}, "out").prepared;
    EXPECT_EQ(report.raw_users, set.raw[0]);
    EXPECT_EQ(report.raw_items, set.raw[1]);
    EXPECT_EQ(report.raw_interactions, set.raw[2]);
    EXPECT_EQ(report.num_users, set.core[0]);
    EXPECT_EQ(report.num_items, set.core[1]);
    EXPECT_EQ(report.num_interactions, set.core[2]);
  }
  if (found == 0) GTEST_SKIP() << "no data sets in " << kShared;
}

// Distinct pairs of the rows' histories and next items.
TEST_F(RealSets, HistoriesOfMiniOneRecGiveTheReadmesPairs) {
  const fs::path input = kShared / "amazon-2018-industrial";
  if (!fs::exists(input)) GTEST_SKIP() << "no amazon-2018-industrial in " << kShared;
  const ImportReport report = import({.input = input}, "out");
  EXPECT_EQ(report.format, "minionerec");
  EXPECT_EQ(report.prepared.num_users, 3285);
  EXPECT_EQ(report.prepared.num_interactions, 21664);
  EXPECT_EQ(report.prepared.titled_items, report.prepared.num_items);
}

TEST_F(RealSets, BundledDemoSetImports) {
  const PrepareReport report = import({.input = "data/movietweetings-mini"}, "out").prepared;
  EXPECT_EQ(report.num_interactions, 102461);
  EXPECT_EQ(report.titled_items, 3119);
}

TEST_F(RealSets, DroppingUntitledItemsGivesLlamaRecsBeauty) {
  if (!fs::exists(kShared / "amazon-2014-beauty"))
    GTEST_SKIP() << "no amazon-2014-beauty in " << kShared;
  const PrepareReport report =
      import({.input = kShared / "amazon-2014-beauty", .drop_untitled = true}, "out").prepared;
  EXPECT_EQ(report.num_users, 22332);
  EXPECT_EQ(report.num_items, 12086);
  EXPECT_EQ(report.num_interactions, 198215);
}

TEST_F(RealSets, MovieLensEqualsLlamaRecsPreprocessing) {
  if (!fs::exists(kShared / "ml-latest-small") || !fs::exists(kShared / "llamarec-ml-100k"))
    GTEST_SKIP() << "no ml-latest-small and llamarec-ml-100k in " << kShared;
  import({.format = "movielens",
          .input = kShared / "ml-latest-small",
          .titles = MovieTitles::kLlamaRec},
         "ours");
  import({.format = "sequences", .input = kShared / "llamarec-ml-100k"}, "theirs");
  const Dataset ours = Dataset::open(folder_ / "ours"), theirs = Dataset::open(folder_ / "theirs");
  ASSERT_EQ(ours.num_users(), 610);
  ASSERT_EQ(ours.num_items(), 3650);
  ASSERT_EQ(ours.num_interactions(), 90274);
  for (int32_t item = 1; item <= 3650; ++item) {
    ASSERT_EQ(ours.item_id(item), theirs.item_id(item));
    ASSERT_EQ(ours.title(item), theirs.title(item));
  }
  int equal_users = 0;
  for (int64_t user = 0; user < 610; ++user) {
    ASSERT_EQ(ours.user_id(user), theirs.user_id(user));
    const auto a = ours.items(user), b = theirs.items(user);
    const auto times = ours.timestamps(user);
    ASSERT_EQ(a.size(), b.size());
    equal_users += std::equal(a.begin(), a.end(), b.begin());
    // Within a run of equal timestamps the same items, in any order.
    for (size_t begin = 0, end; begin < a.size(); begin = end) {
      for (end = begin; end < a.size() && times[end] == times[begin];) ++end;
      EXPECT_TRUE(std::is_permutation(a.begin() + static_cast<int64_t>(begin),
                                      a.begin() + static_cast<int64_t>(end),
                                      b.begin() + static_cast<int64_t>(begin)));
    }
  }
  EXPECT_EQ(equal_users, 551);
}

}  // namespace
}  // namespace tandem
