// SPDX-License-Identifier: Apache-2.0
#include "models/star_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using testing::HasSubstr;

TEST(StarConfig, SurvivesJsonAndRefusesNonsense) {
  const StarConfig config{.num_items = 9,
                          .width = 4,
                          .semantic_weight = 0.25,
                          .recency = 0.5,
                          .length = 7,
                          .dataset_fingerprint = "f"};
  EXPECT_EQ(StarConfig::from_json(config.to_json(), "x"), config);
  for (const auto& [key, value] : {std::pair<const char*, Json>{"semantic_weight", 1.5},
                                   {"semantic_weight", "a"},
                                   {"recency", -0.1},
                                   {"length", 0},
                                   {"length", 2.5},
                                   {"num_items", -1},
                                   {"width", 0},
                                   {"model_type", "hllm"}}) {
    SCOPED_TRACE(key);
    Json json = config.to_json();
    json[key] = value;
    EXPECT_THROW(StarConfig::from_json(json, "x"), FormatError);
    json.erase(key);
    EXPECT_THROW(StarConfig::from_json(json, "x"), FormatError);
  }
}

class StarFolder : public testing::Test {
 protected:
  StarFolder() { write(2, 2, 3); }
  // A run of `items` items; its parts may say otherwise.
  void write(int64_t vectors, int64_t rows, int64_t width, int64_t items = 2) {
    const StarConfig config{.num_items = items, .width = 3};
    write_json(folder_ / kStarConfigFile, config.to_json());
    const ItemRows encoded =
        encode_item_rows(std::vector<float>(static_cast<size_t>((vectors + 1) * width), 1.0f),
                         width, ItemMatrixType::kFloat32);
    const ItemRowsView piece{.vectors = encoded.vectors};
    write_item_matrix(folder_ / kItemMatrixFile, ItemMatrixType::kFloat32, width, {&piece, 1},
                      std::vector<std::string_view>(static_cast<size_t>(vectors), "a"),
                      ItemMatrixFacts{});
    Cooccurrence(std::vector<int64_t>(static_cast<size_t>(rows), 0), {}, {})
        .write(folder_ / kCooccurrenceFile);
  }
  void expect_refused(const char* text) {
    try {
      open_star(folder_);
      FAIL() << "taken";
    } catch (const FormatError& error) {
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  }

  test::TemporaryFolder folder_;
};

TEST_F(StarFolder, OpensWhatFits) {
  EXPECT_TRUE(is_star_folder(folder_));
  const StarFiles files = open_star(folder_);
  EXPECT_EQ(files.vectors->rows(), 3);
  EXPECT_EQ(files.cooccurrence.num_items(), 2);
}

TEST_F(StarFolder, RefusesPartsThatDoNotFit) {
  write(3, 2, 3);
  expect_refused("3 vectors of 3 numbers, config.json says 2 items and width 3");
  write(2, 2, 4);
  expect_refused("2 vectors of 4 numbers, config.json says 2 items and width 3");
  write(2, 3, 3);
  expect_refused("3 rows, config.json says 2 items");
  fs::remove(folder_ / kCooccurrenceFile);
  EXPECT_THROW(open_star(folder_), IoError);
  fs::remove(folder_ / kStarConfigFile);
  EXPECT_FALSE(is_star_folder(folder_));
}

}  // namespace
}  // namespace tandem
