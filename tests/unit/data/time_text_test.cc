// SPDX-License-Identifier: Apache-2.0
#include "data/time_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/fields.h"

namespace tandem {
namespace {

// "seconds.fraction", with "date" behind what was written as one; or the BadLine.
std::string read(std::string_view text) {
  try {
    const ExactTime time = parse_time(text);
    std::string fraction = fmt::format("{:018}", time.fraction);
    while (fraction.size() > 1 && fraction.ends_with('0')) fraction.pop_back();
    return fmt::format("{}{}{}", time.whole, fraction == "0" ? "" : "." + fraction,
                       time.date ? " date" : "");
  } catch (const BadLine& bad) {
    return fmt::format("found {}, expected {}", bad.found, bad.expected);
  }
}

TEST(TimeText, NumbersAreExact) {
  EXPECT_EQ(read("964982703"), "964982703");
  EXPECT_EQ(read(" 964982703.9 "), "964982703.9");
  EXPECT_EQ(read("964982703.0"), "964982703");
  EXPECT_EQ(read("-5"), "-5");
  EXPECT_EQ(read("1.5e3"), "1500");
  EXPECT_EQ(read("1.60000000002e9"), "1600000000.02");
  EXPECT_EQ(read("1.6E+09"), "1600000000");
  EXPECT_EQ(read("25e-2"), "0.25");
  EXPECT_EQ(read(".5"), "0.5");
  EXPECT_EQ(read("1600000000.123456789012345678999"), "1600000000.123456789012345678");
  EXPECT_EQ(read("1600000000123456789"), "1600000000123456789");
  // Rounded down, so that they order.
  EXPECT_EQ(read("-0.25"), "-1.75");
  EXPECT_EQ(read("20180707"), "20180707");
}

TEST(TimeText, Dates) {
  EXPECT_EQ(read("1970-01-01"), "0 date");
  EXPECT_EQ(read("2018-07-07"), "1530921600 date");
  EXPECT_EQ(read("2016-02-29"), "1456704000 date");
  EXPECT_EQ(read("2018-07"), "1530403200 date");
  EXPECT_EQ(read("2018/7/7"), "1530921600 date");
  EXPECT_EQ(read("2018-188"), "1530921600 date");
  EXPECT_EQ(read("2018-W27-6"), "1530921600 date");
  EXPECT_EQ(read("2018W276T220911Z"), "1531001351 date");
  EXPECT_EQ(read("2020-366"), "1609372800 date");
  EXPECT_EQ(read("2021-W01-1"), "1609718400 date");
  EXPECT_EQ(read("2018-07-07 22:09:11"), "1531001351 date");
  EXPECT_EQ(read("2018-07-07T22:09:11Z"), "1531001351 date");
  EXPECT_EQ(read("2018-07-07T22:09:11.25+02:00"), "1530994151.25 date");
  EXPECT_EQ(read("2018-07-07T22:09:11,5-0530"), "1531021151.5 date");
  EXPECT_EQ(read("2018-07-07 22:09:11 UTC"), "1531001351 date");
  EXPECT_EQ(read("2018-07-07 22:09:11 +0000"), "1531001351 date");
  EXPECT_EQ(read("2018-07-07 22:09:11+02"), "1530994151 date");
  EXPECT_EQ(read("2018-07-07 22:09"), "1531001340 date");
  EXPECT_EQ(read("2018-07-07 9:09:11"), "1530954551 date");
  EXPECT_EQ(read("2018-07-07T22"),
            "found time '2018-07-07T22', expected a number such as "
            "1530999999 or a date such as 2018-07-07 22:09:11");
  EXPECT_EQ(read("20180707T220911Z"), "1531001351 date");
  EXPECT_EQ(read("20180707T220911.5+0200"), "1530994151.5 date");
  EXPECT_EQ(read("2018-07-07 24:00:00"), "1531008000 date");
  EXPECT_EQ(read("2016-12-31T23:59:60Z"), "1483228800 date");
  EXPECT_EQ(read("1900-01-01"), "-2208988800 date");
  EXPECT_EQ(read("09 13, 2009"), "1252800000 date");
  EXPECT_EQ(read("01 5, 2018"), "1515110400 date");
  EXPECT_EQ(read("Tue Nov 17 11:37:35 -0800 2009"), "1258486655 date");
}

TEST(TimeText, OthersAreRefused) {
  for (const char* text : {"",
                           "12h",
                           "1e19",
                           "inf",
                           "nan",
                           "2018-02-30",
                           "2018-13-01",
                           "2018-00-10",
                           "2018-07-07 25:00",
                           "2018-07-07 22:61:00",
                           "2018-07-07x",
                           "07/07/2018",
                           "2018-07-07 22:09:11 CEST",
                           "yesterday",
                           "2018-07-07T",
                           "--5",
                           "1e",
                           ".",
                           "2018-07-07 22:09:11.",
                           "13 13, 2009",
                           "Tue Foo 17 11:37:35 -0800 2009",
                           "2018-7-",
                           "2018-366",
                           "2018-000",
                           "2018-W54-1",
                           "2018-W27-8",
                           "2018-W27"})
    EXPECT_EQ(read(text), fmt::format("found time '{}', expected a number such as 1530999999 or a "
                                      "date such as 2018-07-07 22:09:11",
                                      text));
}

}  // namespace
}  // namespace tandem
