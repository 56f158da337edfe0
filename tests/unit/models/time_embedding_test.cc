// SPDX-License-Identifier: Apache-2.0
#include "models/time_embedding.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace tandem {
namespace {

TEST(CalendarFields, AreUtcAndGoBelow1970) {
  EXPECT_EQ(calendar_fields(0), (TimeFields{1970, 1, 1, 0, 0, 0}));
  EXPECT_EQ(calendar_fields(951782399), (TimeFields{2000, 2, 28, 23, 59, 59}));
  EXPECT_EQ(calendar_fields(-1), (TimeFields{1969, 12, 31, 23, 59, 59}));
}

TEST(TimeRows, AreThoseOfTheTables) {
  EXPECT_EQ(time_rows(-62167219200), (TimeFields{0, 1, 1, 0, 0, 0}));
  EXPECT_EQ(time_rows(4102444799), (TimeFields{2099, 12, 31, 23, 59, 59}));
  EXPECT_THROW(time_rows(-62167219201), DataError);
  EXPECT_THROW(time_rows(4102444800), DataError);
  EXPECT_THROW(time_rows(1600000000000), DataError);  // milliseconds
  for (const int64_t time : {int64_t{1}, int64_t{1078012799}, int64_t{4102444799}}) {
    const TimeFields rows = time_rows(time);
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_GE(rows[i], 0);
      EXPECT_LT(rows[i], kTimeTables[i].rows);
    }
  }
}

TEST(TimeParameters, AreTablesAndTwoLayers) {
  const std::vector<TensorSpec> specs = time_parameters(4, 16);
  ASSERT_EQ(specs.size(), 10u);
  EXPECT_EQ(specs[0].shape, (std::vector<int64_t>{2100, 4}));
  EXPECT_EQ(specs[6].name, "time_mlp.0.weight");
  EXPECT_EQ(specs[6].shape, (std::vector<int64_t>{16, 24}));
  EXPECT_EQ(specs[9].shape, (std::vector<int64_t>{16}));
}

}  // namespace
}  // namespace tandem
