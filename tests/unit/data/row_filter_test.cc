// SPDX-License-Identifier: Apache-2.0
#include "data/row_filter.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace tandem {
namespace {

TEST(RowFilter, MissingIsWhatExportsWriteForNoValue) {
  for (const char* text :
       {"", "  ", "null", "NULL", "NaN", "nan", "None", "NA", "N/A", "<NA>", "\\N", " NULL\t"})
    EXPECT_TRUE(is_missing(text)) << text;
  for (const char* text : {"0", "-1", "none", "Nan", "Nulla", "n", "N", "<N>", "\\n", "anonymous"})
    EXPECT_FALSE(is_missing(text)) << text;
}

TEST(Condition, ComparesNumbersAsNumbers) {
  const auto holds = [](const char* condition, const char* value) {
    return Condition(condition).holds(value);
  };
  EXPECT_TRUE(holds("n>9", "10"));  // as text "10" < "9"
  EXPECT_FALSE(holds("n>10", "10"));
  EXPECT_TRUE(holds("n >= 10", " 10 "));
  EXPECT_FALSE(holds("n>=10", "9.99"));
  EXPECT_TRUE(holds("n<-1", "-1.5"));
  EXPECT_FALSE(holds("n<-1", "-1"));
  EXPECT_TRUE(holds("n<=1e3", "1000"));
  EXPECT_FALSE(holds("n<=1e3", "1000.5"));
  EXPECT_TRUE(holds("n=1", "1.0"));
  EXPECT_TRUE(holds("n==1", "1.0"));
  EXPECT_FALSE(holds("n=1", "11"));
  EXPECT_FALSE(holds("n!=1", "1.0"));
  EXPECT_TRUE(holds("n!=1", "2"));
}

TEST(Condition, ComparesAsTextWhereOneSideIsNoNumber) {
  EXPECT_TRUE(Condition("status = paid in full").holds("paid in full"));
  EXPECT_FALSE(Condition("status=paid").holds("Paid"));
  EXPECT_TRUE(Condition("status!=paid").holds("open"));
  EXPECT_TRUE(Condition("day>=2024-02-01").holds("2024-10-01"));
  EXPECT_FALSE(Condition("day<2024-02-01").holds("2024-02-01"));
  EXPECT_TRUE(Condition("n>5").holds("x"));  // "x" is after "5"
  EXPECT_EQ(Condition(" Unit Price ==  4 ").text(), "Unit Price=4");
  EXPECT_EQ(Condition("a=b<c").text(), "a=b<c");  // the first operator counts
}

TEST(Condition, RefusesWhatIsNone) {
  for (const char* text : {"", "quantity", ">0", "quantity>", "quantity!0", "=", "quantity ! = 0"})
    EXPECT_THROW(Condition{text}, UsageError) << text;
}

TEST(RowFilter, TheFirstReasonInOrderIsTheOneCounted) {
  const RowFilter filter({"a>1", "b=x"});
  const auto reason = [&](const char* user, const char* item, const char* a, const char* b) {
    return filter.reason(user, item, [&](size_t i) { return std::string_view(i == 0 ? a : b); });
  };
  EXPECT_EQ(reason("u", "i", "2", "x"), std::nullopt);
  EXPECT_EQ(reason("", "", "0", ""), RowFilter::kNoUser);
  EXPECT_EQ(reason("u", "NULL", "0", ""), RowFilter::kNoItem);
  EXPECT_EQ(reason("u", "i", "0", ""), RowFilter::unmet(0));
  EXPECT_EQ(reason("u", "i", "", "y"), RowFilter::no_value(0));
  EXPECT_EQ(reason("u", "i", "2", "y"), RowFilter::unmet(1));
  EXPECT_EQ(reason("u", "i", "2", "nan"), RowFilter::no_value(1));
  EXPECT_EQ(filter.reason_text(RowFilter::unmet(1)), "not b=x");
  EXPECT_EQ(filter.reason_text(RowFilter::no_value(0)), "without a value for a");
  EXPECT_EQ(filter.num_reasons(), 6);
}

TEST(DroppedRows, CountsAllAndKeepsTheFirstThreeOfEachReason) {
  DroppedRows first, second, all;
  for (int64_t line = 1; line <= 2; ++line) {
    first.at(line, "early");
    first.drop(RowFilter::kNoUser);
  }
  for (int64_t line = 1; line <= 5; ++line) {
    second.at(line, "late\nline");
    second.drop(RowFilter::kNoUser);
  }
  second.drop(4);
  all.append(first, "a.csv", 10);
  all.append(second, "b.csv", 20);
  EXPECT_EQ(all.count(RowFilter::kNoUser), 7);
  EXPECT_EQ(all.count(4), 1);
  EXPECT_EQ(all.count(3), 0);
  EXPECT_EQ(all.count(99), 0);
  EXPECT_EQ(all.total(), 8);
  std::string shown;
  for (const DroppedRow& row : all.examples())
    shown += fmt::format("{} {}:{} {}\n", row.reason, row.file, row.line, row.text);
  EXPECT_EQ(shown,
            "0 a.csv:11 'early'\n0 a.csv:12 'early'\n0 b.csv:21 'late?line'\n4 b.csv:25 "
            "'late?line'\n");
}

}  // namespace
}  // namespace tandem
