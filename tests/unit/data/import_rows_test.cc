// SPDX-License-Identifier: Apache-2.0
// Rows that hold earlier items, and logs in several files.
#include "data/importers/joined_history.h"
#include "data/importers/log_files.h"
#include "support/import_folder.h"

namespace tandem {
namespace {

using test::holds;
using ImportRows = test::ImportFolder;

// Items of a user after rows "a b > c", each at the time of its number; own rows have a star.
std::string joined(const std::vector<std::pair<std::string, char>>& rows) {
  JoinedHistory history;
  TimeColumn times;
  for (const auto& [before, item] : rows) {
    std::vector<int32_t> items(before.begin(), before.end());
    times.push_back({.whole = static_cast<int64_t>(times.size())});
    history.add(items, {.item = item, .own = true, .row = std::ssize(times.whole) - 1}, times);
  }
  std::string text;
  for (const JoinedHistory::Entry& entry : history.entries())
    text += fmt::format("{}{}{} ", static_cast<char>(entry.item), entry.row, entry.own ? "*" : "");
  return text;
}

TEST(JoinedHistory, RowsOfAUserOverlap) {
  EXPECT_EQ(joined({{"", 'a'}, {"a", 'b'}, {"ab", 'c'}}), "a0* b1* c2* ");
  EXPECT_EQ(joined({{"ab", 'c'}}), "a0 b0 c0* ");
  // The newest first, and rows between that are missing.
  EXPECT_EQ(joined({{"abc", 'd'}, {"a", 'b'}}), "a0 b1* c0 d0* ");
  EXPECT_EQ(joined({{"a", 'b'}, {"abc", 'd'}}), "a0 b0* c1 d1* ");
  // Lists cut to the newest two items.
  EXPECT_EQ(joined({{"ab", 'c'}, {"bc", 'd'}, {"cd", 'e'}}), "a0 b0 c0* d1* e2* ");
  EXPECT_EQ(joined({{"cd", 'e'}, {"bc", 'd'}, {"ab", 'c'}}), "a2 b1 c2* d1* e0* ");
  // Items that come again.
  EXPECT_EQ(joined({{"", 'a'}, {"a", 'a'}, {"aa", 'a'}}), "a0* a1* a2* ");
  EXPECT_EQ(joined({{"a", 'b'}, {"ab", 'a'}, {"aba", 'b'}}), "a0 b0* a1* b2* ");
  // With lists of one item the time tells that a pair came again.
  EXPECT_EQ(joined({{"a", 'b'}, {"b", 'a'}, {"a", 'b'}}), "a0 b0* a1* b2* ");
  // Nothing in common.
  EXPECT_EQ(joined({{"a", 'b'}, {"x", 'y'}}), "a0 b0* x1 y1* ");
}

TEST_F(ImportRows, ListsOfEarlierItemsAreInteractions) {
  const std::string header = "user_id:token\titem_id_list:token_seq\titem_id:token\n";
  import(put("train.inter", header + "u1\ta\tb\nu1\ta b\tc\nu2\tc\ta\n"));
  EXPECT_EQ(orders(), "u1: a b c; u2: c a");
  EXPECT_TRUE(holds(warnings(), "train.inter: 2 of 5 interactions are named only in lists"))
      << warnings();
  EXPECT_EQ(failure(put("bad.inter", header + "u1\ta\n")).substr(0, 18), "3: bad.inter:2: fo");
  // MiniOneRec's, without its folder.
  import(put("list.csv", "user_id,history_item_id,item_id\nu,\"[3, 1]\",2\nv,\"['x', 'y']\",z\n"));
  EXPECT_EQ(orders(), "u: 3 1 2; v: x y z");
  EXPECT_EQ(
      failure(put("open.csv", "user_id,history_item_id,item_id\nu,\"[3, 1\",2\n")).substr(0, 26),
      "3: open.csv:2: found the e");
}

TEST_F(ImportRows, TheHistoryOfAmazon2023Counts) {
  const std::string header = "user_id,parent_asin,rating,timestamp,history\n";
  const fs::path test = put("his/Toys.test.csv", header + "u,C,5.0,1600000000900,A B\n");
  import(test, "amazon");
  EXPECT_EQ(orders(), "u: A B C");
  EXPECT_EQ(times(), "1600000000 1600000000 1600000000");
  EXPECT_TRUE(holds(warnings(), "2 of 3 interactions are named only in lists")) << warnings();
  put("his/Toys.train.csv", header + "u,A,1.0,1500000000000,\n");
  put("his/Toys.valid.csv", header + "u,B,2.0,1550000000000,A\n");
  import(in() / "his", "amazon");
  EXPECT_EQ(orders(), "u: A B C");
  EXPECT_EQ(times(), "1500000000 1550000000 1600000000");
  EXPECT_EQ(Dataset::open(folder_ / "out").ratings(0)[1], 2);
  EXPECT_FALSE(holds(warnings(), "only in lists")) << warnings();
  // The same word is no list in other tables.
  import(put("log.csv", "user,item,history\nu,a,none before\n"));
  EXPECT_EQ(orders(), "u: a");
  EXPECT_EQ(last_.unread_columns, std::vector<std::string>{"history"});
}

TEST_F(ImportRows, PartsOfOneSplitAreReadInOrder) {
  put("a/Toys.test.csv", "user_id,parent_asin,rating,timestamp\nu,C,5,1600000000500\n");
  put("a/Toys.train.csv", "user_id,parent_asin,rating,timestamp\nu,A,5,1600000000500\n");
  put("a/Toys.valid.csv", "user_id,parent_asin,rating,timestamp\nu,B,5,1600000000500\n");
  for (const char* format : {"auto", "amazon", "csv"}) {
    import(in() / "a", format);
    EXPECT_EQ(orders(), "u: A B C") << format;
  }
  put("b/train.jsonl", "{\"user\":\"u\",\"item\":\"a\",\"ts\":1}\n");
  put("b/test.jsonl", "{\"user\":\"u\",\"item\":\"b\",\"ts\":2}\n");
  put("b/items.jsonl", "{\"item\":\"a\",\"title\":\"Alpha\"}\n");
  import(in() / "b");
  EXPECT_EQ(orders(), "u: a b");
  EXPECT_EQ(titles(), "a=Alpha");
  const std::string header = "user_id:token\titem_id_list:token_seq\titem_id:token\n";
  put("c/Office.train.inter", header + "u\ta\tb\n");
  put("c/Office.valid.inter", header + "u\ta b\tc\n");
  put("c/Office.test.inter", header + "u\ta b c\td\n");
  put("c/Office.item", "item_id:token\ttitle:token_seq\na\tAlpha\n");
  import(in() / "c");
  EXPECT_EQ(orders(), "u: a b c d");
  EXPECT_EQ(titles(), "a=Alpha");
}

TEST_F(ImportRows, SeveralLogsAreRefusedByName) {
  put("a/May.csv", "user,item,ts\nu,a,1\n");
  put("a/June.csv", "user,item,ts\nu,b,2\n");
  for (const char* format : {"auto", "csv", "amazon"})
    EXPECT_EQ(
        failure(in() / "a", format),
        "3: a: found several logs: June.csv, May.csv; expected one, or the parts of one split "
        "(train, valid, test); name one with --input")
        << format;
  put("b/interactions/A.csv", "item_id,user_id,timestamp\na,u,1\n");
  put("b/interactions/B.csv", "item_id,user_id,timestamp\nb,u,1\n");
  EXPECT_TRUE(holds(failure(in() / "b", "hllm"), "several logs: A.csv, B.csv"));
  put("c/x.inter", "user_id:token\titem_id:token\nu\ta\n");
  put("c/y.inter", "user_id:token\titem_id:token\nu\ta\n");
  EXPECT_TRUE(holds(failure(in() / "c"), "several logs: x.inter, y.inter"));
  put("d/ratings.csv", "userId,movieId,rating,timestamp\n1,1,1,1\n");
  put("d/ratings.dat", "1::1::1::1\n");
  EXPECT_TRUE(holds(failure(in() / "d", "movielens"), "several logs: ratings.csv, ratings.dat"));
  put("e/train_x.csv", "user_id,history_item_id,item_id\nu,[],1\n");
  put("e/train_y.csv", "user_id,history_item_id,item_id\nu,[],2\n");
  EXPECT_TRUE(holds(failure(in() / "e", "minionerec"), "several logs: train_x.csv, train_y.csv"));
  put("f/train.csv", "user,item,ts\nu,a,1\n");
  put("f/test.csv", "user,item\nu,b\n");
  EXPECT_TRUE(holds(failure(in() / "f"), "expected the same of all parts"));
}

TEST_F(ImportRows, AutoReadsTheFileThatToldIt) {
  put("a/log.csv", "user_id,item_id,timestamp\nu,b,2\nu,a,1\n");
  import(in() / "a");
  EXPECT_EQ(orders(), "u: a b");
  put("b/events.tsv", "visitor_id\tsku\tevent_time\nu\tb\t2\nu\ta\t1\n");
  put("b/README.txt", "What this is.\n");
  import(in() / "b");
  EXPECT_EQ(orders(), "u: a b");
  put("c/yelp_review.json", "{\"user_id\":\"u\",\"business_id\":\"a\",\"date\":\"2018-07-07\"}\n");
  import(in() / "c");
  EXPECT_EQ(orders(), "u: a");
}

TEST(SplitParts, DifferInOneWord) {
  const auto parts = [](std::initializer_list<const char*> names) {
    std::string text;
    for (const fs::path& part : split_parts({names.begin(), names.end()}))
      text += part.string() + ' ';
    return text;
  };
  EXPECT_EQ(parts({"a.test.csv", "a.train.csv", "a.valid.csv.gz"}),
            "a.train.csv a.valid.csv.gz a.test.csv ");
  EXPECT_EQ(parts({"Dev.tsv", "Test.tsv", "Training.tsv"}), "Training.tsv Dev.tsv Test.tsv ");
  EXPECT_EQ(parts({"test_x.csv", "val_x.csv"}), "val_x.csv test_x.csv ");
  EXPECT_EQ(parts({"a.train.csv", "b.test.csv"}), "");
  EXPECT_EQ(parts({"a.train.csv", "a.training.csv"}), "");
  EXPECT_EQ(parts({"a.csv", "a.train.csv"}), "");
  EXPECT_EQ(parts({"latest.csv", "trainer.csv"}), "");
}

TEST_F(ImportRows, AFileWithoutRowsIsNamed) {
  for (const char* name : {"a.csv", "b.tsv"}) {
    EXPECT_EQ(failure(put(name, "user,item,timestamp\n"), "csv"),
              fmt::format("3: {}: found no interaction, expected at least one", name));
  }
  EXPECT_EQ(failure(put("c.inter", "user_id:token\titem_id:token\n")),
            "3: c.inter: found no interaction, expected at least one");
  EXPECT_EQ(failure(put("d.jsonl", ""), "jsonl"),
            "3: d.jsonl: found no line, expected JSON objects");
}

}  // namespace
}  // namespace tandem
