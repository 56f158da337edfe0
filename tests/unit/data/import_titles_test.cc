// SPDX-License-Identifier: Apache-2.0
// Titles: which file and column they come from, and which items have none.
#include "support/import_folder.h"

namespace tandem {
namespace {

using test::holds;
using ImportTitles = test::ImportFolder;

TEST_F(ImportTitles, AnEmptyOneDoesNotKeepALaterOneOut) {
  import(put("log.csv", "user,item,ts,title\nu,a,1,\nv,a,2,Alpha\nw,a,3,Other\nu,b,3,Beta\n"));
  EXPECT_EQ(titles(), "a=Alpha; b=Beta");
  put("s/interactions.csv", "user,item,ts,title\nu,a,1,\nu,b,2,Beta\n");
  put("s/items.csv", "item,title,genre\na,Alpha,x\nb,Other,y\n");
  import(in() / "s");
  EXPECT_EQ(titles(), "a=Alpha; b=Beta");
}

TEST_F(ImportTitles, TheNamedColumnMayBeThatOfTheItems) {
  const fs::path log = put("log.csv", "user,item,ts\nu,a,1\n");
  const auto with = [&](const std::string& name, std::string_view text) {
    import(log, "csv", "title=label", put(name, text));
    return titles();
  };
  EXPECT_EQ(with("i.csv", "item,label,title\na,Alpha,x\n"), "a=Alpha");
  EXPECT_EQ(with("i.tsv", "item\tlabel\na\tAlpha\n"), "a=Alpha");
  EXPECT_EQ(with("i.txt", "item|label\na|Alpha\n"), "a=Alpha");
  EXPECT_EQ(with("i.jsonl", "{\"item\":\"a\",\"label\":\"Alpha\"}\n"), "a=Alpha");
  EXPECT_EQ(
      failure(log, "csv", "title=label", put("j.csv", "item,title\na,Alpha\n")),
      "3: j.csv:1: found columns 'item, title' separated by ',', expected a column 'label' for "
      "the title");
  EXPECT_EQ(
      failure(log, "csv", "title=label", put("j.jsonl", "{\"item\":\"a\"}\n")),
      "3: j.jsonl: found no line with the key 'label', expected it for the title (--columns)");
  EXPECT_EQ(failure(log, "csv", "title=label", put("j.tsv", "a\tAlpha\n")).substr(0, 17),
            "3: j.tsv:1: found");

  put("r/s.inter", "user_id:token\titem_id:token\nu\ta\n");
  put("r/s.item", "item_id:token\tlabel:token_seq\na\tAlpha\n");
  import(in() / "r", "recbole", "title=label");
  EXPECT_EQ(titles(), "a=Alpha");
  EXPECT_EQ(failure(in() / "r", "recbole", "title=lable").substr(0, 20), "3: r/s.item:1: found");
  put("m/ratings.csv", "userId,movieId,rating,timestamp\n1,1,5,1\n");
  put("m/movies.csv", "movieId,label,title\n1,Alpha,x\n");
  import(in() / "m", "movielens", "title=label");
  EXPECT_EQ(titles(), "1=Alpha");
  put("h/interactions/x.csv", "item_id,user_id,timestamp\na,u,1\n");
  put("h/information/x.csv", "item_id,title,label\na,x,Alpha\n");
  import(in() / "h", "hllm", "title=label");
  EXPECT_EQ(titles(), "a=Alpha");
  const fs::path reviews =
      put("A.json", "{\"reviewerID\":\"u\",\"asin\":\"a\",\"unixReviewTime\":1}\n");
  import(reviews, "amazon", "title=label", in() / "i.jsonl");
  EXPECT_EQ(failure(reviews, "amazon", "title=label").substr(0, 17), "3: A.json:1: foun");
}

TEST_F(ImportTitles, TablesOfItemsMayHaveAnySeparator) {
  const auto with = [&](std::string_view separator) {
    const auto line = [&](std::string_view a, std::string_view b, std::string_view c) {
      return fmt::format("{}{}{}{}{}\n", a, separator, b, separator, c);
    };
    put("s/interactions.csv",
        line("user", "item", "ts") + line("u", "a", "1") + line("u", "b", "2"));
    put("s/items.csv", line("item", "title", "\"genres, tags\"") + line("a", "Alpha", "x") +
                           line("b", "Beta", "y"));
    import(in() / "s");
    return titles();
  };
  for (const char* separator : {",", ";", "|", "\t", "^"})
    EXPECT_EQ(with(separator), "a=Alpha; b=Beta") << separator;
}

TEST_F(ImportTitles, TsvMayHaveAHeaderAndFurtherColumns) {
  const fs::path log = put("log.csv", "user,item,ts\nu,a,1\nu,b,2\n");
  const auto with = [&](std::string_view text) {
    import(log, "csv", "", put("items.tsv", text));
    return titles();
  };
  EXPECT_EQ(with("item_id\ttitle\tgenre\na\tAlpha\tX\nb\tBeta\tY\n"), "a=Alpha; b=Beta");
  EXPECT_EQ(warnings(), "");
  EXPECT_EQ(with("genre\tid\tName\nX\ta\tAlpha\nY\tb\tBeta\n"), "a=Alpha; b=Beta");
  EXPECT_EQ(with("item_id\ttitle\na\t\"Alpha\" (1)\nb\tBeta\n"), "a=\"Alpha\" (1); b=Beta");
  EXPECT_EQ(with("a\tAlpha\nb\tBeta\n"), "a=Alpha; b=Beta");
  EXPECT_EQ(with("a\tAlpha\tX\nb\tBeta\n"), "a=Alpha; b=Beta");
  EXPECT_TRUE(
      holds(warnings(), "items.tsv: the second column is the title; what follows it on 1 line"))
      << warnings();
}

TEST_F(ImportTitles, JsonRowsMayHaveThem) {
  import(put("log.jsonl", R"({"user":"u","item":"a","ts":1}
{"user":"u","item":"b","title":"Beta","ts":2}
{"user":"v","item":"a","title":"Alpha","ts":2}
)"));
  EXPECT_EQ(titles(), "a=Alpha; b=Beta");
  // A review has a title of its own.
  import(put("amazon.jsonl",
             "{\"user_id\":\"u\",\"parent_asin\":\"a\",\"title\":\"Great\",\"timestamp\":1}\n"),
         "jsonl");
  EXPECT_EQ(titles(), "");
  // A file of items comes first.
  import(in() / "log.jsonl", "jsonl", "", put("i.jsonl", "{\"item\":\"a\",\"title\":\"First\"}\n"));
  EXPECT_EQ(titles(), "a=First");
}

TEST_F(ImportTitles, IdsThatAreOnlyAlmostTheSameAreSaid) {
  put("s/interactions.csv", "user,item,ts\n1.0,10.0,1\n1.0,11.0,2\n2.0,x,3\n");
  put("s/items.csv", "item,title\n10,Ten\n11,Eleven\nx,X\n");
  import(in() / "s");
  EXPECT_TRUE(holds(warnings(),
                    "items.csv: 2 of 3 items of the log are not in it; '10.0' in the log "
                    "is not '10' there"))
      << warnings();
  put("s/interactions.csv", "user,item,ts\nu,007,1\nu,10,2\nu,x,3\n");
  put("s/items.csv", "item,title\n7,Seven\n10,Ten\nx,X\n");
  import(in() / "s");
  EXPECT_TRUE(holds(warnings(), "1 of 3 items of the log are not in it; '007'")) << warnings();
  // A few without a text are nothing special.
  put("s/interactions.csv", "user,item,ts\nu,q,1\nu,10,2\nu,x,3\n");
  import(in() / "s");
  EXPECT_EQ(warnings(), "");
}

TEST_F(ImportTitles, MovieLensTitlesWithSeparatorsAndBlanks) {
  put("d/ratings.dat", "1::122::5::838985046\n1::185::4.5::838983525\n");
  put("d/movies.dat", "122::Boomer::rang (1992)::Comedy\n185::Plain (1995)::\n");
  import(in() / "d");
  EXPECT_EQ(titles(), "122=Boomer::rang (1992); 185=Plain (1995)");
  put("u/u.data", "1\t5\t3\t100\n");
  std::string item = "5|Either|Or (1999)|01-Jan-1995||http";
  for (int i = 0; i < 19; ++i) item += "|0";
  put("u/u.item", item + "\n");
  import(in() / "u");
  EXPECT_EQ(titles(), "5=Either|Or (1999)");
  put("c/ratings.csv", "userId,movieId,rating,timestamp\n1,1,4.0,10\n1,2,4.0,11\n");
  put("c/movies.csv",
      "movieId,title,genres\n1,\"Matrix, The (1999) \",A\n2,\" Heat, A (1995)\",A\n");
  import(in() / "c");
  EXPECT_EQ(titles(), "1=The Matrix (1999); 2=A Heat (1995)");
  put("c/movies.csv", "movieId,title,genres\n1,American President, The (1995),A\n");
  EXPECT_EQ(failure(in() / "c"),
            "3: c/movies.csv:2: found 4 columns, expected 3 separated by ','; a title with a comma "
            "needs quotes");
}

}  // namespace
}  // namespace tandem
