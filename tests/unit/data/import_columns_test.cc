// SPDX-License-Identifier: Apache-2.0
// Which columns are read, what separates them, and whether the first line is a header.
#include "data/importers/separator.h"

#include <cmath>

#include "support/import_folder.h"

namespace tandem {
namespace {

using test::holds;
using ImportColumns = test::ImportFolder;

TEST_F(ImportColumns, TheReportSaysWhichWereRead) {
  import(put("log.csv", "User-ID,ISBN,Book-Rating,Timestamp,shelf\nu,b,5,1,x\n"));
  EXPECT_EQ(last_.columns, (std::vector<std::string>{"user=User-ID", "item=ISBN", "time=Timestamp",
                                                     "rating=Book-Rating"}));
  EXPECT_EQ(last_.unread_columns, std::vector<std::string>{"shelf"});
  EXPECT_EQ(warnings(), "");
}

TEST_F(ImportColumns, OneNameOfTwoColumnsIsRefused) {
  EXPECT_EQ(failure(put("a.csv", "user,item,rating,rating\nu,a,1,2\n")),
            "3: a.csv:1: found the column 'rating' more than once, expected one column for the "
            "rating, or its number with --columns rating=N");
  EXPECT_EQ(failure(put("b.csv", "user,what,what\nu,a,1\n"), "csv", "item=what").substr(0, 60),
            "3: b.csv:1: found the column 'what' more than once, expected");
  EXPECT_EQ(failure(put("c.inter", "user_id:token\titem_id:token\titem_id:token\nu\ta\tb\n"))
                .substr(0, 60),
            "3: c.inter:1: found the column 'item_id' more than once, exp");
  EXPECT_EQ(failure(put("d.jsonl", R"({"user":1,"item":2,"ts":9,"ts":1})")).substr(0, 49),
            "3: d.jsonl:1: found the key \"ts\" more than once, ");
  // By number, or where nobody asks for them, they do no harm.
  import(in() / "a.csv", "csv", "rating=4");
  import(put("e.csv", "user,item,note,note\nu,a,1,2\n"));
  EXPECT_EQ(orders(), "u: a");
}

TEST_F(ImportColumns, OptionsThatAFormatDoesNotUseAreRefused) {
  const fs::path data = put("u.data", "1\t1\t4\t10\n");
  EXPECT_EQ(failure(data, "movielens", "time=3"),
            "2: --columns: not for --format movielens: the columns of u.data and ratings.dat are "
            "fixed");
  EXPECT_EQ(
      failure(put("ratings_A.csv", "A0000000000001,B000000001,5.0,10\n"), "amazon", "time=4"),
      "2: --columns: not for --format amazon: these ratings have no header, their columns are "
      "fixed");
  EXPECT_EQ(failure(put("sequences.tsv", "u\ta b\n"), "sequences", "user=1").substr(0, 44),
            "2: --columns: not for --format sequences: it");
  ImportOptions options;
  options.input = data;
  options.separator = ";";
  EXPECT_EQ(failure(options),
            "2: --separator: not for --format movielens, whose separator is fixed");
  options.separator = "";
  options.input = put("log.csv", "user,item\nu,a\n");
  options.titles = MovieTitles::kPlain;
  EXPECT_EQ(failure(options), "2: --titles: not for --format csv, only for movielens");
}

TEST_F(ImportColumns, AWantedKeyMustBeOnSomeLine) {
  const fs::path log = put("log.jsonl", "{\"u\":1,\"i\":2}\n{\"u\":1,\"i\":3,\"t\":5,\"r\":4}\n");
  EXPECT_EQ(failure(log, "jsonl", "user=u,item=i,rating=stars"),
            "3: log.jsonl:1: found keys 'u, i', expected a key \"stars\" for the rating");
  EXPECT_EQ(failure(log, "jsonl", "user=u,item=i,time=when").substr(0, 31),
            "3: log.jsonl:1: found keys 'u, ");
  import(log, "jsonl", "user=u,item=i,rating=r");
  EXPECT_EQ(orders(), "1: 2 3");
}

TEST_F(ImportColumns, RatingsMayBeMissing) {
  import(put("log.jsonl",
             "{\"user\":\"u\",\"item\":\"a\",\"ts\":1}\n"
             "{\"user\":\"u\",\"item\":\"b\",\"ts\":2,\"stars\":4}\n"));
  EXPECT_EQ(Dataset::open(folder_ / "out").ratings(0)[1], 4);
  import(put("log.csv", "user,item,rating\nu,a,NaN\nu,b,\nu,c,4\n"));
  const Dataset data = Dataset::open(folder_ / "out");
  EXPECT_TRUE(std::isnan(data.ratings(0)[0]));
  EXPECT_EQ(data.ratings(0)[2], 4);
}

TEST(Separator, IsWhatMakesATableWithKnownNames) {
  const auto of = [](std::string_view sample) { return guess_separator(sample, {"who"}); };
  EXPECT_EQ(of("user,item\nu,a\n"), ",");
  EXPECT_EQ(of("user\titem\nu\ta, b\n"), "\t");
  EXPECT_EQ(of("user;item\nu;a\n"), ";");
  EXPECT_EQ(of("user|item\nu|a\n"), "|");
  EXPECT_EQ(of("user^item\nu^a\n"), "^");
  EXPECT_EQ(of("user::item\nu::a\n"), "::");
  EXPECT_EQ(of("user item\nu a\n"), " ");
  EXPECT_EQ(of("item_id;title;\"genres, tags\"\na;Alpha;x\n"), ";");
  EXPECT_EQ(of("item_id;title;genres, tags\na;Alpha;x, y\n"), ";");
  EXPECT_EQ(of("item_id|title\na|Alpha, Beta\nb|Gamma; Delta\n"), "|");
  EXPECT_EQ(of("1,2\n3,4\n"), ",");
  EXPECT_EQ(of("1::122::5\n1::185::4.5\n"), "::");
  EXPECT_EQ(of("who;what\nx;y\n"), ";");
  EXPECT_EQ(of("one\ntwo\n"), ",");
  EXPECT_EQ(of(""), ",");
  // A broken line does not make another separator the better one.
  EXPECT_EQ(of("user,item\nu,a\nbroken\n"), ",");
}

TEST_F(ImportColumns, AHeaderIsToldFromARow) {
  const auto rows = [&](std::string_view text, const std::string& columns) {
    import(put("log.txt", text), "csv", columns);
    return orders();
  };
  EXPECT_EQ(rows("1 1\n1 2\n2 1\n", "user=1,item=2"), "1: 1 2; 2: 1");
  EXPECT_FALSE(holds(warnings(), "is read as a row")) << warnings();
  EXPECT_EQ(rows("u1,a,5\nu1,b,4\n", "user=1,item=2,rating=3"), "u1: a b");
  EXPECT_EQ(rows("u1,b,2018-07-08\nu1,a,2018-07-07\n", "user=1,item=2,time=3"), "u1: a b");
  EXPECT_EQ(rows("user_id,item_id\nu1,a\n", "user=1,item=2"), "u1: a");
  EXPECT_EQ(rows("who,what\n1,2\n", "user=1,item=2"), "1: 2");
  EXPECT_EQ(rows("who,what,when\nx,y,7\n", "user=1,item=2,time=3"), "x: y");
  EXPECT_EQ(rows("alice,tea\nbob,milk\n", "user=1,item=2"), "alice: tea; bob: milk");
  EXPECT_TRUE(holds(warnings(), "the first line, 'alice,tea', is read as a row")) << warnings();
  // A row whose rating is missing is no header.
  EXPECT_EQ(rows("7,8,\n7,9,4\n", "user=1,item=2,rating=3"), "7: 8 9");
}

TEST_F(ImportColumns, RecBoleMayHaveAnotherSeparator) {
  import(put("x.inter", "user_id:token item_id:token timestamp:float\nu b 2\nu a 1\n"));
  EXPECT_EQ(orders(), "u: a b");
  EXPECT_TRUE(holds(warnings(), "x.inter: columns are separated by blanks")) << warnings();
  import(put("y.inter", "user_id:token,item_id:token,timestamp:float\nu,b,2\nu,a,1\n"));
  EXPECT_EQ(orders(), "u: a b");
  EXPECT_EQ(failure(put("z.inter", "user_id:token item_id_list:token_seq item_id:token\nu a b\n"))
                .substr(0, 35),
            "3: z.inter:1: found header field 'u");
}

TEST_F(ImportColumns, MySqlQuotesAndSemicolons) {
  put("BX-Books.csv",
      "\"ISBN\";\"Book-Title\";\"Author\"\n\"1\";\"Flesh \\\"Tones\\\": A \";\"M; J\"\n"
      "\"2\";\"\\\"Rites\\\"\";\"x\"\n");
  import(put("BX-Book-Ratings.csv",
             "\"User-ID\";\"ISBN\";\"Book-Rating\"\n\"7\";\"1\";\"0\"\n\"7\";\"2\";\"5\"\n"),
         "csv", "", in() / "BX-Books.csv");
  EXPECT_EQ(titles(), "1=Flesh \"Tones\": A; 2=\"Rites\"");
}

}  // namespace
}  // namespace tandem
