// SPDX-License-Identifier: Apache-2.0
#include "data/describe.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "data/raw_log.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

// Lengths 1, 2, 3 and 6; one tie (user d at 40), three ratings, two titles.
RawLog log_of_four() {
  RawLog log;
  log.interactions = {{"a", "1", 86400}, {"b", "1", 10, 4.0F}, {"b", "2", 20},
                      {"c", "1", 5},     {"c", "2", 6},        {"c", "3", 7, 1.0F},
                      {"d", "1", 30},    {"d", "2", 40},       {"d", "3", 40},
                      {"d", "4", 50},    {"d", "1", 60, 2.5F}, {"d", "2", 70}};
  log.items = {{"1", "One", {}}, {"4", "Four", {}}};
  return log;
}

TEST(Describe, CountsEverythingByHand) {
  const test::TemporaryFolder folder;
  const std::string fingerprint = write_dataset(folder / "set", log_of_four()).fingerprint;
  Json d = describe_dataset(Dataset::open(folder / "set"), 1);
  d.erase("dropped");
  EXPECT_EQ(d, (Json{{"dataset", (folder / "set").string()},
                     {"num_users", 4},
                     {"num_items", 4},
                     {"num_interactions", 12},
                     {"titled_items", 2},
                     {"mean_length", 3.0},
                     {"median_length", 2.5},
                     {"min_length", 1},
                     {"max_length", 6},
                     {"density", 0.75},
                     {"first_time", "1970-01-01 00:00:05"},
                     {"last_time", "1970-01-02 00:00:00"},
                     {"equal_times", {{"interactions", 2}, {"users", 2}, {"users_decided", 0}}},
                     {"ratings", 3},
                     {"mean_rating", 2.5},
                     {"min_user", 0},
                     {"min_item", 0},
                     {"drop_untitled", false},
                     {"ties", "file"},
                     {"split", "leave-one-out"},
                     {"fingerprint", fingerprint},
                     {"samples", Json::parse(R"([{"user":"a","interactions":1,
                                                  "last_titles":["One"]}])")}}));
}

TEST(Describe, TextForPeople) {
  const test::TemporaryFolder folder;
  const std::string fingerprint = write_dataset(folder / "set", log_of_four()).fingerprint;
  const Json d = describe_dataset(Dataset::open(folder / "set"), 9);
  EXPECT_EQ(
      describe_text(d),
      "data set       " + (folder / "set").string() +
          "\n"
          "users          4\n"
          "items          4 (2 with a title)\n"
          "interactions   12 (75.0000 % of all pairs)\n"
          "a user has     3.00 on average, median 2.5, 1 to 6\n"
          "time           1970-01-01 00:00:05 to 1970-01-02 00:00:00 UTC\n"
          "equal times    16.7 % of the interactions share user and time with another; an equal "
          "time decides what is held out for 0.0 % of 2 users\n"
          "ratings        3, mean 2.500\n"
          "filters        at least 0 interactions a user and 0 an item\n"
          "split          the last interaction of a user is for test, the one before for "
          "validation\n"
          "fingerprint    " +
          fingerprint +
          "\n\nuser a (1 interaction), the latest last:\n  One\n"
          "\nuser b (2 interactions), the latest last:\n  One\n  2\n"
          "\nuser c (3 interactions), the latest last:\n  One\n  2\n  3\n"
          "\nuser d (6 interactions), the latest last:\n  2\n  3\n  Four\n  One\n  2\n");
}

TEST(Describe, ASetWithoutTimesAndRatingsSaysSo) {
  const test::TemporaryFolder folder;
  RawLog log;
  log.interactions = {{"a", "1"}, {"a", "2"}, {"a", "3"}};
  write_dataset(folder / "set", log);
  const Json d = describe_dataset(Dataset::open(folder / "set"), 0);
  for (const char* key : {"first_time", "last_time", "equal_times", "mean_rating"})
    EXPECT_FALSE(d.contains(key)) << key;
  EXPECT_EQ(d["median_length"], 3.0);  // an odd number of users
  EXPECT_EQ(d["samples"], Json::array());
  const std::string text = describe_text(d);
  EXPECT_NE(text.find("time           none; the order is the source's\n"), std::string::npos);
  EXPECT_NE(text.find("ratings        none\n"), std::string::npos);
}

TEST(Describe, AChangedFileIsNoticed) {
  for (const char* name : {"users.bin", "items.bin", "interactions.bin", "items.jsonl"}) {
    SCOPED_TRACE(name);
    const test::TemporaryFolder folder;
    write_dataset(folder / "set", log_of_four());
    std::string bytes = read_file(folder / "set" / name);
    bytes[bytes.size() - 2] = static_cast<char>(bytes[bytes.size() - 2] ^ 1);
    std::ofstream(folder / "set" / name, std::ios::binary) << bytes;
    EXPECT_THROW((void)describe_dataset(Dataset::open(folder / "set")), FormatError);
  }
}

TEST(Describe, LargeNumbersAreGrouped) {
  EXPECT_EQ(dropped_lines({{"no_user", 1234567}, {"no_item", 1000}, {"untitled", 999}}),
            (std::vector<std::string>{"1,234,567 rows without a user", "1,000 rows without an item",
                                      "999 rows with an item that has no title"}));
  EXPECT_EQ(format_time(1'537'799'250), "2018-09-24 14:27:30");
  EXPECT_EQ(format_time(-1), "1969-12-31 23:59:59");
}

}  // namespace
}  // namespace tandem
