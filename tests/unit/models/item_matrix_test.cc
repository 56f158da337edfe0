// SPDX-License-Identifier: Apache-2.0
#include "models/item_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

const std::vector<float> kRows = {0, 0, 0, 1, -2, 0.5f, 127, 63.4f, -127};  // 3 rows of 3
const std::vector<std::string_view> kIds = {"a", "b17"};
const ItemMatrixFacts kFacts = {.model = "m", .texts = "t", .dataset = "d"};

fs::path write(const test::TemporaryFolder& folder, ItemMatrixType type) {
  const fs::path path = folder.path() / kItemMatrixFile;
  const std::span<const float> rows(kRows);
  const ItemRows first = encode_item_rows(rows.first(3), 3, type),
                 rest = encode_item_rows(rows.subspan(3), 3, type);
  const ItemRowsView pieces[] = {{first.vectors, first.scales}, {rest.vectors, rest.scales}};
  write_item_matrix(path, type, 3, pieces, kIds, kFacts);
  return path;
}

std::vector<float> read(const ItemMatrix& matrix, int64_t row) {
  std::vector<float> out(static_cast<size_t>(matrix.width()));
  matrix.read(row, out.data());
  return out;
}

TEST(ItemMatrix, KeepsVectorsIdsAndFacts) {
  const test::TemporaryFolder folder;
  for (const auto type :
       {ItemMatrixType::kFloat32, ItemMatrixType::kBfloat16, ItemMatrixType::kInt8}) {
    SCOPED_TRACE(item_matrix_type_name(type));
    const ItemMatrix matrix(write(folder, type));
    EXPECT_EQ(matrix.rows(), 3);
    EXPECT_EQ(matrix.type(), type);
    EXPECT_EQ(matrix.facts(), kFacts);
    EXPECT_EQ(matrix.item_id(1), "a");
    EXPECT_EQ(matrix.item_id(2), "b17");
    EXPECT_THAT(read(matrix, 0), testing::Each(0.0f));
    const std::vector<float> row = read(matrix, 2);
    EXPECT_EQ(row[0], 127);
    EXPECT_EQ(row[2], -127);
    const float middle = type == ItemMatrixType::kFloat32    ? 63.4f
                         : type == ItemMatrixType::kBfloat16 ? 63.5f
                                                             : 63.0f;
    EXPECT_EQ(row[1], middle);
  }
  // int8: scale 2 / 127, so 0.5 is 31.75 of them.
  EXPECT_FLOAT_EQ(read(ItemMatrix(folder.path() / kItemMatrixFile), 1)[2], 32 * 2.0f / 127);
}

TEST(ItemMatrix, RefusesWhatDoesNotFit) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / kItemMatrixFile;
  const ItemRows rows = encode_item_rows(kRows, 3, ItemMatrixType::kFloat32);
  const ItemRowsView pieces[] = {{rows.vectors, rows.scales}};
  const std::vector<std::string_view> one = {"a"};
  EXPECT_THROW(write_item_matrix(path, ItemMatrixType::kFloat32, 3, pieces, one, kFacts),
               ShapeError);
  EXPECT_THROW(write_item_matrix(path, ItemMatrixType::kInt8, 3, pieces, kIds, kFacts), ShapeError);
  const std::vector<float> broken = {1, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THROW(encode_item_rows(broken, 2, ItemMatrixType::kBfloat16), DataError);
  EXPECT_THROW(parse_item_matrix_type("f16"), UsageError);

  const std::vector<int64_t> ends = {3, 1};
  const std::vector<uint8_t> ids = {'a', 'b', 'c'};
  const std::vector<TensorView> tensors = {
      {"vectors", DType::kF32, {3, 3}, std::as_bytes(std::span(kRows))},
      {"item_ids", DType::kU8, {3}, std::as_bytes(std::span(ids))},
      {"item_id_ends", DType::kI64, {2}, std::as_bytes(std::span(ends))}};
  write_safetensors(path, tensors);
  EXPECT_THROW(ItemMatrix{path}, FormatError);  // no metadata
  write_safetensors(
      path, tensors,
      {{"format", "tandem item matrix"}, {"model", ""}, {"texts", ""}, {"dataset", ""}});
  EXPECT_THROW(ItemMatrix{path}, FormatError);  // ends that fall
}

}  // namespace
}  // namespace tandem
