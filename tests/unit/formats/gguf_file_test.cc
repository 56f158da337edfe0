// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "core/error.h"
#include "formats/half.h"
#include "formats/stored_tensor.h"
#include "support/gguf_bytes.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

// A GGUF file by hand; every field can be made wrong.
struct Recipe {
  uint64_t num_tensors = 2;
  std::vector<uint64_t> axes = {32, 3};  // innermost first
  uint32_t type = 8;                     // Q8_0
  uint64_t offset = 0, second_offset = 128;
  std::string second_name = "norm";
  uint32_t alignment = 32;
  std::vector<float> floats = {};  // the matrix, in place of three Q8_0 rows

  std::string bytes() const {
    test::GgufBytes file(num_tensors, 1);
    file.text("general.alignment");
    file.put(uint32_t{4});
    file.put(alignment);
    file.text("matrix");
    file.put(static_cast<uint32_t>(axes.size()));
    for (const uint64_t size : axes) file.put(size);
    file.put(type);
    file.put(offset);
    file.text(second_name);
    file.put(uint32_t{1});
    file.put(uint64_t{2});
    file.put(uint32_t{0});
    file.put(second_offset);
    file.align();
    for (const float value : floats) file.put(value);
    for (int row = 0; floats.empty() && row < 3; ++row) {  // scale 0.5, codes row, row + 1, ...
      file.put(float_to_f16(0.5f));
      for (int i = 0; i < 32; ++i) file.put(static_cast<int8_t>(row + i));
    }
    file.align();
    file.put(1.5f);
    file.put(-2.0f);
    return file.bytes();
  }
};

class GgufFileTest : public testing::Test {
 protected:
  GgufFile open(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return GgufFile(path_);
  }
  const test::TemporaryFolder folder_;
  const fs::path path_ = folder_ / "x.gguf";
};

TEST_F(GgufFileTest, ShapesAreReversedAndBlocksLieAlongRows) {
  const GgufFile file = open(Recipe{}.bytes());
  const GgufTensor& matrix = file.at("matrix");
  EXPECT_EQ(matrix.shape, (std::vector<int64_t>{3, 32}));
  std::vector<float> rows(64);
  matrix.dequantize_rows(1, 2, rows.data());
  EXPECT_EQ(rows[0], 0.5f);
  EXPECT_EQ(rows[31], 16.0f);
  EXPECT_EQ(rows[32], 1.0f);
  std::vector<float> norm(2);
  file.at("norm").dequantize_rows(0, 1, norm.data());
  EXPECT_EQ(norm, (std::vector<float>{1.5f, -2.0f}));
  EXPECT_THROW(file.at("bias"), FormatError);
}

// The file's rows 0 1 2 3 of a head are the tensor's 0 2 1 3, wherever a read begins.
TEST_F(GgufFileTest, InterleavedRowsAreTheSameHoweverTheyAreRead) {
  Recipe recipe{.axes = {8, 12}, .type = 0, .second_offset = 12 * 8 * sizeof(float)};
  for (int i = 0; i < 12 * 8; ++i) recipe.floats.push_back(static_cast<float>(i));
  const GgufFile file = open(recipe.bytes());
  const StoredTensor tensor(file.at("matrix"), {.head_dim = 4});
  const std::vector<float> whole = tensor.read();
  ASSERT_EQ(tensor.rows(), 12);
  std::vector<float> row(8);
  for (int64_t r = 0; r < 12; ++r) {
    const int64_t stored[] = {0, 2, 1, 3};
    file.at("matrix").dequantize_rows(r / 4 * 4 + stored[r % 4], 1, row.data());
    EXPECT_EQ(std::vector<float>(whole.begin() + r * 8, whole.begin() + r * 8 + 8), row) << r;
    tensor.read_rows(r, 1, row.data());
    EXPECT_EQ(std::vector<float>(whole.begin() + r * 8, whole.begin() + r * 8 + 8), row) << r;
  }
}

TEST_F(GgufFileTest, EveryTruncationIsAnError) {
  const std::string bytes = Recipe{}.bytes();
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THROW(open(bytes.substr(0, size)), Error) << size;
}

TEST_F(GgufFileTest, HostileDescriptionsAreErrors) {
  const auto refused = [&](const Recipe& recipe) {
    try {
      open(recipe.bytes());
    } catch (const FormatError&) {
      return true;
    }
    return false;
  };
  EXPECT_TRUE(refused({.num_tensors = 3}));
  EXPECT_TRUE(refused({.num_tensors = uint64_t{1} << 60}));
  EXPECT_TRUE(refused({.axes = {}}));
  EXPECT_TRUE(refused({.axes = {32, 3, 1, 1, 1}}));
  EXPECT_TRUE(refused({.axes = {32, 0}}));
  EXPECT_TRUE(refused({.axes = {33, 3}}));  // no whole blocks
  EXPECT_TRUE(refused({.axes = {32, uint64_t{1} << 62}}));
  EXPECT_TRUE(refused({.axes = {uint64_t{1} << 63}}));
  EXPECT_TRUE(refused({.axes = {32, 1000}}));
  EXPECT_TRUE(refused({.type = 16}));  // IQ2_XXS
  EXPECT_TRUE(refused({.type = 4000000000}));
  EXPECT_TRUE(refused({.offset = 16}));  // not aligned
  EXPECT_TRUE(refused({.second_offset = 160}));
  EXPECT_TRUE(refused({.second_offset = UINT64_MAX - 31}));
  EXPECT_TRUE(refused({.second_name = "matrix"}));
  EXPECT_TRUE(refused({.alignment = 0}));
  EXPECT_TRUE(refused({.alignment = 48}));
  EXPECT_FALSE(refused({}));
}

}  // namespace
}  // namespace tandem
