// SPDX-License-Identifier: Apache-2.0
#include "offline/crossfit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "core/error.h"
#include "formats/run_folder.h"
#include "support/random_retriever.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

class Crossfit : public testing::Test {
 protected:
  // A run with random weights in `folder`, as `train retriever` leaves it.
  void write_run(const fs::path& folder, int64_t folds, int64_t fold, uint64_t weights) {
    fs::create_directories(folder.parent_path());
    RunFolder::create(folder,
                      {.verb = "train retriever",
                       .seed = seed_,
                       .dataset_fingerprint = fingerprint_,
                       .extra = {{"folds", folds}, {"fold", fold}}},
                      "");
    const RetrieverModelConfig config{.num_items = dataset_.num_items(),
                                      .width = width_,
                                      .max_length = 10,
                                      .dataset_fingerprint = dataset_.fingerprint()};
    test::write_random_run(folder, config, weights);
  }
  fs::path write_all(int64_t folds = 3) {
    const fs::path run = folder_ / "run";
    write_run(run, folds, -1, 1);
    for (int64_t fold = 0; fold < folds; ++fold)
      write_run(fold_folder(run, fold), folds, fold, 10 + static_cast<uint64_t>(fold));
    return run;
  }
  // The text of the DataError of fold_runs.
  std::string refusal(const fs::path& run) {
    try {
      fold_runs(run, dataset_);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_ = test::tiny_dataset(folder_);
  std::string fingerprint_ = dataset_.fingerprint();
  uint64_t seed_ = 42;
  int64_t width_ = 8;
};

TEST_F(Crossfit, EveryPrefixIsRetrievedByItsUsersFold) {
  const fs::path run = write_all();
  const auto prefixes = training_prefixes(dataset_);
  const PrefixCandidates all = retrieve_crossfit(run, dataset_, prefixes, 4, pool_);
  ASSERT_EQ(all.items.size(), prefixes.size() * 4);
  for (int64_t fold = 0; fold < 3; ++fold) {
    const auto of_fold =
        retrieve_for_prefixes(fold_folder(run, fold), dataset_, prefixes, 4, pool_);
    int64_t same = 0, others = 0;
    for (size_t i = 0; i < prefixes.size(); ++i) {
      const auto row = static_cast<int64_t>(i) * 4;
      const bool equal = std::equal(all.items.begin() + row, all.items.begin() + row + 4,
                                    of_fold.items.begin() + row);
      if (prefixes[i].user % 3 == fold) {
        EXPECT_TRUE(equal) << "prefix " << i;
        EXPECT_EQ(all.answer_rank[i], of_fold.answer_rank[i]);
      } else {
        same += equal;
        ++others;
      }
    }
    EXPECT_LT(same, others / 2);  // the folds' retrievers differ
  }
}

TEST_F(Crossfit, AnswersAreCounted) {
  PrefixCandidates candidates{
      .num_candidates = 20, .items = {}, .answer_rank = {1, 0, 3, 1, 0, 0, 0, 0}};
  EXPECT_EQ(candidates.describe(),
            "answer in the top 20 in 37.5 % of 8 training prompts, and first in 66.7 % of those");
}

TEST_F(Crossfit, RefusesARunWithoutFolds) {
  const fs::path run = folder_ / "run";
  write_run(run, 0, -1, 1);
  EXPECT_NE(refusal(run).find("without folds"), std::string::npos) << refusal(run);
}

TEST_F(Crossfit, RefusesAFoldThatIsNotFinished) {
  const fs::path run = write_all();
  fs::remove(fold_folder(run, 1) / kRetrieverWeightsFile);
  EXPECT_NE(refusal(run).find("fold 2 of 3 is not finished"), std::string::npos) << refusal(run);
  fs::remove_all(fold_folder(run, 2));
  EXPECT_NE(refusal(run).find("is not finished"), std::string::npos) << refusal(run);
}

TEST_F(Crossfit, RefusesFoldsOfAnotherSeedDataOrShape) {
  const fs::path run = write_all();
  const auto replace = [&] {
    fs::remove_all(fold_folder(run, 2));
    write_run(fold_folder(run, 2), 3, 2, 12);
  };
  seed_ = 43;
  replace();
  EXPECT_NE(refusal(run).find("seed 43"), std::string::npos) << refusal(run);
  seed_ = 42;
  fingerprint_ = "another";
  replace();
  EXPECT_NE(refusal(run).find("other data"), std::string::npos) << refusal(run);
  fingerprint_ = dataset_.fingerprint();
  width_ = 16;
  replace();
  EXPECT_NE(refusal(run).find("another shape"), std::string::npos) << refusal(run);
  width_ = 8;
  replace();
  EXPECT_EQ(refusal(run), "");
}

}  // namespace
}  // namespace tandem
