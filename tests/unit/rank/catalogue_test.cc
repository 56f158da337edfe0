// SPDX-License-Identifier: Apache-2.0
#include "rank/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "data/string_table.h"
#include "support/named_dataset.h"
#include "support/random_retriever.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using testing::HasSubstr;
using Sequences = std::vector<std::vector<std::string>>;

// Ten items, i0 to i9.
const Sequences kTrained = {
    {"i0", "i1", "i2", "i3", "i4"}, {"i5", "i6", "i7", "i8", "i9"}, {"i3", "i1", "i4", "i0", "i5"}};

class Catalogue : public testing::Test {
 protected:
  // A run with random weights of a model of the data set, as `train retriever` leaves it.
  fs::path write_run(const Dataset& dataset, bool ids = true, bool fingerprint = true,
                     const std::string& name = "run") {
    const fs::path run = folder_ / name.c_str();
    test::write_random_run(run,
                           {.num_items = dataset.num_items(),
                            .width = 8,
                            .max_length = 4,
                            .dataset_fingerprint = fingerprint ? dataset.fingerprint() : ""},
                           7);
    if (ids) write_item_ids(run, dataset);
    return run;
  }
  Dataset dataset(const std::string& name, const Sequences& sequences) const {
    return test::named_dataset(folder_ / name.c_str(), sequences);
  }
  // Outside ids of the k best after a history of outside ids, and their scores.
  std::vector<std::pair<std::string, float>> recommend(const engine::Retriever& retriever,
                                                       const Dataset& dataset,
                                                       const std::vector<std::string>& history,
                                                       int64_t k) {
    std::vector<int32_t> items;
    for (const std::string& id : history) items.push_back(dataset.find_item(id).value());
    const engine::History one[] = {items};
    std::vector<std::pair<std::string, float>> result;
    const auto lists = retriever.top_k(one, k, engine::SeenItems::kHistory, pool_);
    for (const engine::ScoredItem& found : lists[0])
      result.emplace_back(dataset.item_id(found.item), found.score);
    return result;
  }
  // The text of the error with which the run is refused.
  template <typename Kind>
  std::string refusal(const fs::path& run, const Dataset& dataset) {
    try {
      open_retriever(run, dataset);
    } catch (const Kind& error) {
      return error.what();
    }
    return "no such error";
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
};

TEST_F(Catalogue, TheSameContentIsTakenAsItIs) {
  const Dataset trained = dataset("trained", kTrained);
  const fs::path run = write_run(trained);
  const OpenedRetriever opened = open_retriever(run, trained);
  EXPECT_EQ(opened.match.proof, CatalogueMatch::Proof::kFingerprint);
  EXPECT_EQ(opened.match.describe(), "");
  EXPECT_EQ(recommend(*opened.retriever, trained, {"i3", "i1"}, 5),
            recommend(*engine::load_retriever(run), trained, {"i3", "i1"}, 5));
  // Without ids the fingerprint is proof enough.
  fs::remove(run / kRetrieverItemsFile);
  EXPECT_EQ(open_retriever(run, trained).match.proof, CatalogueMatch::Proof::kFingerprint);
}

// A later import: i4 is gone, "a" is new and takes the first number, so that all others move.
TEST_F(Catalogue, AnotherImportGivesTheSameRecommendationsByOutsideId) {
  const Dataset trained = dataset("trained", kTrained);
  const fs::path run = write_run(trained);
  const Dataset later = dataset("later", {{"i0", "i1", "a", "i2", "i3"},
                                          {"i5", "i6", "i7", "i8", "i9", "a"},
                                          {"i3", "i1", "i0", "i5"}});
  ASSERT_EQ(later.num_items(), trained.num_items());
  ASSERT_EQ(later.find_item("i0"), 2);
  const OpenedRetriever opened = open_retriever(run, later);
  EXPECT_EQ(opened.match.proof, CatalogueMatch::Proof::kItemIds);
  EXPECT_EQ(opened.match.items, 10);
  EXPECT_EQ(opened.match.unknown, 1);
  EXPECT_EQ(opened.match.left_out, 1);
  EXPECT_EQ(opened.match.interactions, 15);
  EXPECT_EQ(opened.match.skipped, 2);
  EXPECT_THAT(opened.match.describe(),
              HasSubstr("items unknown to it: 1 of 10, never recommended, with 2 of 15 "
                        "interactions, skipped"));
  EXPECT_THAT(opened.match.describe(), HasSubstr("its items that the data set lacks: 1, left out"));
  EXPECT_EQ(opened.match.to_json().dump(),
            R"({"proof":"item ids","items":10,"unknown_items":1,"interactions":15,)"
            R"("skipped_interactions":2,"left_out_items":1})");

  auto wanted = recommend(*engine::load_retriever(run), trained, {"i3", "i7", "i1"}, 10);
  std::erase_if(wanted, [](const auto& entry) { return entry.first == "i4"; });
  ASSERT_EQ(wanted.size(), 6u);
  EXPECT_EQ(recommend(*opened.retriever, later, {"i3", "i7", "i1"}, 10), wanted);
  EXPECT_EQ(recommend(*opened.retriever, later, {"i3", "a", "i7", "i1", "a"}, 10), wanted);
}

TEST_F(Catalogue, NewEventsOfTheSameItemsChangeNothing) {
  const Dataset trained = dataset("trained", kTrained);
  const fs::path run = write_run(trained);
  Sequences more = kTrained;
  more.push_back({"i9", "i2"});
  const Dataset later = dataset("later", more);
  const OpenedRetriever opened = open_retriever(run, later);
  EXPECT_EQ(opened.match.unknown + opened.match.skipped + opened.match.left_out, 0);
  EXPECT_THAT(opened.match.describe(), HasSubstr("it knows all 10 items"));
  EXPECT_EQ(recommend(*opened.retriever, later, {"i9", "i2"}, 10),
            recommend(*engine::load_retriever(run), trained, {"i9", "i2"}, 10));
}

TEST_F(Catalogue, AnotherCatalogueOfTheSameSizeIsRefused) {
  const fs::path run = write_run(dataset("trained", kTrained));
  Sequences others = kTrained;
  for (auto& sequence : others)
    for (std::string& id : sequence) id[0] = 'x';
  const std::string text = refusal<DataError>(run, dataset("other", others));
  EXPECT_THAT(text, HasSubstr("knows 0 of the 10 items"));
  EXPECT_THAT(text, HasSubstr("0 of its 15 interactions (0 %)"));
}

TEST_F(Catalogue, HalfOfTheInteractionsMustBeKnown) {
  const fs::path run = write_run(dataset("trained", kTrained));
  const Dataset half = dataset("half", {{"i0", "i0", "x"}, {"i1", "y", "z"}});
  EXPECT_EQ(open_retriever(run, half).match.skipped, 3);
  const std::string text =
      refusal<DataError>(run, dataset("less", {{"i0", "i0", "x"}, {"i1", "y", "z", "z"}}));
  EXPECT_THAT(text, HasSubstr("knows 2 of the 5 items"));
  EXPECT_THAT(text, HasSubstr("3 of its 7 interactions (43 %)"));
}

TEST_F(Catalogue, ARunWithoutIdsIsTakenOnlyWhereNothingSpeaksAgainstIt) {
  const Dataset trained = dataset("trained", kTrained);
  Sequences more = kTrained;
  more.push_back({"i9", "i2"});
  const Dataset later = dataset("later", more), larger = dataset("larger", {{"i0", "i1", "q"}});

  const fs::path old = write_run(trained, false);
  EXPECT_THAT(refusal<DataError>(old, later), HasSubstr("the fingerprints differ"));
  EXPECT_THAT(refusal<DataError>(old, larger), HasSubstr("knows 10 items, "));

  const fs::path bare = write_run(trained, false, false, "bare");
  const OpenedRetriever opened = open_retriever(bare, later);
  EXPECT_EQ(opened.match.proof, CatalogueMatch::Proof::kCountAlone);
  EXPECT_THAT(opened.match.describe(), HasSubstr("could not be checked"));
  EXPECT_EQ(opened.match.to_json()["proof"], "number of items");
  EXPECT_THAT(refusal<DataError>(bare, larger), HasSubstr("knows 10 items, "));
  // Ids beside a checkpoint that no config.json describes are another model's.
  write_item_ids(bare, trained);
  fs::remove(bare / kRetrieverConfigFile);
  EXPECT_EQ(open_retriever(bare / kRetrieverWeightsFile, later, {.max_length = 4}).match.proof,
            CatalogueMatch::Proof::kCountAlone);
}

TEST_F(Catalogue, ABrokenFileOfIdsIsNamed) {
  const fs::path run = write_run(dataset("trained", kTrained));
  const Dataset later = dataset("later", {{"i0", "i1", "i2", "i3"}});
  const fs::path file = run / kRetrieverItemsFile;
  const std::string whole = read_file(file);
  const auto written = [&](const std::string& bytes) {
    write_file(file, bytes);
    return refusal<FormatError>(run, later);
  };
  const auto table = [&](const std::vector<std::vector<std::string_view>>& columns) {
    const std::vector<char> bytes = StringTable::encode(columns, IdOrder::kBytes);
    return written({bytes.begin(), bytes.end()});
  };
  EXPECT_THAT(written(whole.substr(0, 20)), HasSubstr("items.bin: 20 bytes"));
  EXPECT_THAT(written(whole.substr(0, whole.size() - 1)), HasSubstr("its header says"));
  EXPECT_THAT(written(std::string(100, 'x')), HasSubstr("not a string table"));
  std::string outside = whole;
  outside[32 + 8] = 127;  // the first id's end
  EXPECT_THAT(written(outside), HasSubstr("lies at bytes"));
  EXPECT_THAT(table({{"i0", "i1"}}), HasSubstr("2 ids in 1 columns, the model has 10 items"));
  const std::vector<std::string_view> ids = {"i0", "i1", "i2", "i3", "i4",
                                             "i5", "i6", "i7", "i8", "i9"};
  EXPECT_THAT(table({ids, ids}), HasSubstr("10 ids in 2 columns"));
  std::vector<std::string_view> twice = ids;
  twice[9] = "i2";
  EXPECT_THAT(table({twice}), HasSubstr("'i2' stands twice, at 3 and 10"));
  EXPECT_EQ(table({ids}), "no such error");
}

}  // namespace
}  // namespace tandem
