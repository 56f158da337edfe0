// SPDX-License-Identifier: Apache-2.0
#include "data/string_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using Column = std::vector<std::string_view>;

std::string sorted(const Column& ids) {
  std::string text;
  for (const int32_t index : sort_ids(ids, id_order(ids))) text += std::string(ids[index]) + ' ';
  return text;
}

TEST(SortIds, NumbersByValueEverythingElseByBytes) {
  EXPECT_EQ(sorted({"10", "9", "100", "0"}), "0 9 10 100 ");
  EXPECT_EQ(sorted({"10", "9", "x"}), "10 9 x ");
  EXPECT_EQ(sorted({"7", "07", "8", "007"}), "007 07 7 8 ");        // equal numbers by bytes
  EXPECT_EQ(sorted({"999999999999999999", "1000000000000000000"}),  // 19 digits are bytes
            "1000000000000000000 999999999999999999 ");
  EXPECT_EQ(sorted({"999999999999999999", "99999999999999999"}),
            "99999999999999999 999999999999999999 ");
  EXPECT_EQ(sorted({"-1", "2"}), "-1 2 ");
  EXPECT_EQ(sorted({"é", "z", "Z", "a"}), "Z a z é ");
  EXPECT_EQ(sorted({"abcdefghij", "abcdefgh", "abcdefghi", "abcdefg"}),
            "abcdefg abcdefgh abcdefghi abcdefghij ");
  EXPECT_EQ(id_order(Column{"1", "12"}), IdOrder::kNumeric);
  EXPECT_EQ(id_order(Column{"1", ""}), IdOrder::kBytes);
}

class StringTables : public ::testing::Test {
 protected:
  fs::path write(const std::vector<Column>& columns, IdOrder order) {
    const std::vector<char> bytes = StringTable::encode(columns, order);
    const fs::path path = folder_ / "table.bin";
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<int64_t>(bytes.size()));
    return path;
  }
  test::TemporaryFolder folder_;
};

TEST_F(StringTables, GiveBackEveryStringAndFindEveryId) {
  const StringTable table(
      write({{"7", "8", "10", "200"}, {"seven", "", "ten", "éü"}}, IdOrder::kNumeric));
  EXPECT_EQ(table.size(), 4);
  EXPECT_EQ(table.columns(), 2);
  std::string text;
  for (int64_t row = 0; row < 4; ++row)
    text += fmt::format("{}={} ", table.at(0, row), table.at(1, row));
  EXPECT_EQ(text, "7=seven 8= 10=ten 200=éü ");
  EXPECT_EQ(table.find("7"), 0);
  EXPECT_EQ(table.find("8"), 1);
  EXPECT_EQ(table.find("10"), 2);
  EXPECT_EQ(table.find("200"), 3);
  for (const char* id : {"", "6", "9", "07", "201", "x", "seven"})
    EXPECT_EQ(table.find(id), std::nullopt) << id;
  EXPECT_THROW((void)table.at(0, 4), DataError);
  EXPECT_THROW((void)table.at(0, -1), DataError);
  EXPECT_THROW((void)table.at(2, 0), DataError);
}

TEST_F(StringTables, OrderedByBytesAreSearchedByBytes) {
  const StringTable table(
      write({{"10", "9", "a", "longer than eight", "longer than nine"}}, IdOrder::kBytes));
  for (int64_t row = 0; row < table.size(); ++row) EXPECT_EQ(table.find(table.at(0, row)), row);
  EXPECT_EQ(table.find("longer than"), std::nullopt);
  EXPECT_EQ(table.find("longer than zero"), std::nullopt);
}

TEST_F(StringTables, HaveTheDocumentedLayout) {
  const std::vector<Column> columns = {{"a", "bc"}, {"", "d"}};
  const std::vector<char> bytes = StringTable::encode(columns, IdOrder::kBytes);
  ASSERT_EQ(bytes.size(), 8U + 2 * 4 + 2 * 8 + 5 * 8 + 4);
  EXPECT_EQ(std::string(bytes.data(), 8), "TNDMSTR1");
  std::vector<uint32_t> small(2);
  std::memcpy(small.data(), bytes.data() + 8, 8);
  EXPECT_EQ(small, (std::vector<uint32_t>{2, 0}));  // columns, order
  std::vector<uint64_t> large(7);
  std::memcpy(large.data(), bytes.data() + 16, 56);
  EXPECT_EQ(large, (std::vector<uint64_t>{2, 4, 0, 1, 3, 3, 4}));  // rows, bytes, offsets
  EXPECT_EQ(std::string(bytes.data() + 72, 4), "abcd");
}

TEST_F(StringTables, MayBeEmpty) {
  const StringTable table(write({{}}, IdOrder::kNumeric));
  EXPECT_EQ(table.size(), 0);
  EXPECT_EQ(table.find("1"), std::nullopt);
}

}  // namespace
}  // namespace tandem
