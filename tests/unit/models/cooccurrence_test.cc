// SPDX-License-Identifier: Apache-2.0
#include "models/cooccurrence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "formats/safetensors.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// 1: {1, 3}, 2: nothing, 3: {1, 3}, 4: {4}
const std::vector<int64_t> kEnds = {2, 2, 4, 5};
const std::vector<int32_t> kItems = {1, 3, 1, 3, 4};
const std::vector<float> kSimilarities = {1, 0.5f, 0.5f, 1, 1};

TEST(Cooccurrence, AFileGivesTheRowsBack) {
  const test::TemporaryFolder folder;
  const fs::path path = folder / kCooccurrenceFile;
  Cooccurrence(kEnds, kItems, kSimilarities).write(path);
  const Cooccurrence read(path);
  EXPECT_EQ(read.num_items(), 4);
  EXPECT_EQ(read.num_pairs(), 5);
  EXPECT_THAT(read.row(1).items, ElementsAre(1, 3));
  EXPECT_THAT(read.row(1).similarities, ElementsAre(1, 0.5f));
  EXPECT_THAT(read.row(2).items, ElementsAre());
  EXPECT_THAT(read.row(4).items, ElementsAre(4));
}

TEST(Cooccurrence, RowsMoveToOtherNumbers) {
  const Cooccurrence original(kEnds, kItems, kSimilarities);
  const std::vector<int32_t> numbers = {3, 0, 2, 1, 0};  // 4 is left out
  const Cooccurrence moved = original.renumbered(numbers);
  EXPECT_EQ(moved.num_items(), 5);
  EXPECT_THAT(moved.row(1).items, ElementsAre(1, 4));
  EXPECT_THAT(moved.row(1).similarities, ElementsAre(1, 0.5f));
  EXPECT_THAT(moved.row(2).items, ElementsAre());
  EXPECT_THAT(moved.row(3).items, ElementsAre());
  EXPECT_THAT(moved.row(4).items, ElementsAre(1, 4));
  EXPECT_THAT(moved.row(4).similarities, ElementsAre(0.5f, 1));
  EXPECT_THROW(original.renumbered(std::vector<int32_t>{5}), ShapeError);
  EXPECT_THROW(original.renumbered(std::vector<int32_t>{1, 1}), ShapeError);
}

// The same faults in memory and in a file.
TEST(Cooccurrence, RefusesRowsThatAreNone) {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "broken.safetensors";
  const auto refused = [&](const std::vector<int64_t>& ends, const std::vector<int32_t>& items,
                           const std::vector<float>& similarities, const char* text) {
    SCOPED_TRACE(text);
    EXPECT_THROW(Cooccurrence(ends, items, similarities), ShapeError);
    const std::vector<TensorView> tensors = {
        {"row_ends", DType::kI64, {std::ssize(ends)}, std::as_bytes(std::span(ends))},
        {"items", DType::kI32, {std::ssize(items)}, std::as_bytes(std::span(items))},
        {"similarities",
         DType::kF32,
         {std::ssize(similarities)},
         std::as_bytes(std::span(similarities))}};
    write_safetensors(path, tensors, {{"format", "tandem co-occurrence"}});
    try {
      Cooccurrence read(path);
      FAIL() << "taken";
    } catch (const FormatError& error) {
      EXPECT_THAT(error.what(), HasSubstr(text));
      EXPECT_THAT(error.what(), HasSubstr("broken.safetensors"));
    }
  };
  refused({1, 0}, {1}, {1}, "row 2 ends at 0 after 1, of 1 pairs");
  refused({1, 9}, {1}, {1}, "row 2 ends at 9 after 1, of 1 pairs");
  refused({-1, 1}, {1}, {1}, "row 1 ends at -1");
  refused({1, 1}, {1, 2}, {1, 1}, "the rows end at 1, of 2 pairs");
  refused({1, 1}, {1}, {1, 1}, "1 items with 2 similarities");
  refused({2, 2}, {2, 1}, {1, 1}, "row 1 has item 1 after 2");
  refused({2, 2}, {2, 2}, {1, 1}, "row 1 has item 2 after 2");
  refused({1, 1}, {0}, {1}, "row 1 has item 0, expected 1 to 2");
  refused({1, 1}, {std::numeric_limits<int32_t>::max()}, {1}, "expected 1 to 2");
  refused({1, 1}, {1}, {1.5f}, "row 1 has similarity 1.5 with item 1");
  refused({1, 1}, {1}, {0}, "similarity 0");
  refused({1, 1}, {1}, {std::numeric_limits<float>::quiet_NaN()}, "similarity nan");
}

TEST(Cooccurrence, RefusesOtherFiles) {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "other.safetensors";
  const Json format = {{"format", "tandem co-occurrence"}};
  const TensorView ends{"row_ends", DType::kI64, {4}, std::as_bytes(std::span(kEnds))},
      items{"items", DType::kI32, {5}, std::as_bytes(std::span(kItems))},
      similarities{"similarities", DType::kF32, {5}, std::as_bytes(std::span(kSimilarities))};
  const auto write = [&](const std::vector<TensorView>& tensors, const Json& metadata) {
    write_safetensors(path, tensors, metadata);
  };
  write({ends, items, similarities}, Json::object());
  EXPECT_THROW(Cooccurrence{path}, FormatError);  // no format
  write({ends, items}, format);
  EXPECT_THROW(Cooccurrence{path}, FormatError);  // a tensor is missing
  TensorView other = items;
  other.dtype = DType::kF32;
  write({ends, other, similarities}, format);
  EXPECT_THROW(Cooccurrence{path}, FormatError);
  other = ends;
  other.shape = {2, 2};
  write({other, items, similarities}, format);
  EXPECT_THROW(Cooccurrence{path}, FormatError);
}

}  // namespace
}  // namespace tandem
