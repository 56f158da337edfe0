// SPDX-License-Identifier: Apache-2.0
#include "data/import.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <map>

#include "core/error.h"
#include "core/json.h"
#include "data/dataset.h"
#include "data/dataset_files.h"
#include "data/describe.h"
#include "data/export.h"
#include "data/text_source.h"
#include "support/temporary_folder.h"

// Options are named where they differ from the default.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace tandem {
namespace {

class Import : public ::testing::Test {
 protected:
  fs::path put(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  fs::path put_gz(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    return path;
  }
  ImportReport import(ImportOptions options, const std::string& output = "out") {
    ThreadPool pool(2);
    return import_dataset(options, folder_ / output, pool);
  }
  // Without a core, so that a few lines are a data set.
  ImportReport import_all(const fs::path& input, const std::string& format = "auto") {
    return import(
        {.format = format, .input = input, .min_user = 0, .min_item = 0, .overwrite = true});
  }
  Dataset out() { return Dataset::open(folder_ / "out"); }
  // The message of the FormatError that importing the text gives; nothing may be left behind.
  std::string failure(const fs::path& input, const std::string& format) {
    try {
      import({.format = format, .input = input, .min_user = 0, .min_item = 0}, "bad");
    } catch (const FormatError& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
      EXPECT_FALSE(fs::exists(folder_ / "bad"));
      for (const auto& entry : fs::directory_iterator(folder_))
        EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << entry.path();
      return fs::path(error.what()).filename().string();
    }
    return "no error";
  }

  const test::TemporaryFolder folder_;
};

constexpr const char* kHeader = "user,item,rating,timestamp\n";

TEST_F(Import, CsvWithUsualNames) {
  import_all(put("log.csv", std::string("\xEF\xBB\xBF") + kHeader +
                                "u2,a,4.5,20\r\nu1,b,,5\r\n\"u2\",b,3,10"));
  const Dataset data = out();
  ASSERT_EQ(data.num_users(), 2);
  EXPECT_EQ(data.user_id(1), "u2");
  EXPECT_EQ(data.items(1)[0], 2);
  EXPECT_EQ(data.timestamps(1)[1], 20);
  EXPECT_EQ(data.ratings(1)[1], 4.5F);
}

TEST_F(Import, CsvWithNamedColumnsTitlesAndLineEndsInQuotes) {
  ImportOptions options{.format = "csv",
                        .input = put("log.csv", "who;what;label\nx;1;\"a \"\"b\"\"\nc\"\ny;2;d\n"),
                        .min_user = 0,
                        .min_item = 0};
  options.columns = parse_column_map("user=who,item=what,title=label");
  import(options);
  EXPECT_EQ(out().title(1), "a \"b\" c");
  EXPECT_EQ(out().title(2), "d");
  EXPECT_THROW(parse_column_map("person=x"), UsageError);
}

// The titles' column may be named although only the file of items has it.
TEST_F(Import, CsvFindsANamedTitleInTheFileOfItems) {
  ImportOptions options{.format = "csv",
                        .input = put("log.csv", "who,sku\nx,1\ny,2\n"),
                        .meta = put("products.csv", "sku,label\n1,\"a, b\"\n2,d\n"),
                        .min_user = 0,
                        .min_item = 0};
  options.columns = parse_column_map("user=who,item=sku,title=label");
  import(options);
  EXPECT_EQ(out().title(1), "a, b");
  EXPECT_EQ(out().title(2), "d");
  options.columns.title = "lable";  // in neither
  EXPECT_THROW(import(options, "bad"), FormatError);
}

TEST_F(Import, CsvWithColumnNumbersAndNoHeader) {
  ImportOptions options{
      .format = "csv", .input = put("log.csv", "7,x,100\n8,y,50\n"), .min_user = 0, .min_item = 0};
  options.columns = parse_column_map("user=1,item=2,time=3");
  import(options);
  EXPECT_EQ(out().num_interactions(), 2);
}

TEST_F(Import, JsonLinesGzip) {
  import_all(put_gz("log.jsonl.gz",
                    "{\"user\":3,\"item\":\"\\u00e9\",\"timestamp\":7,\"rating\":2.5}\n{\"user\":4,"
                    "\"item\":\"b\",\"timestamp\":8}\n"));
  EXPECT_EQ(out().item_id(2), "é");
  EXPECT_EQ(out().timestamps(0)[0], 7);
}

TEST_F(Import, AmazonReviewsWithPythonMeta) {
  const fs::path reviews =
      put("reviews.json",
          "{\"reviewerID\":\"A1\",\"asin\":\"X\",\"overall\":5.0,\"unixReviewTime\":10}\n"
          "{\"reviewerID\":\"A1\",\"asin\":\"Y\",\"overall\":4.0,\"unixReviewTime\":9}\n");
  const fs::path meta =
      put("meta.json",
          "{'asin': 'X', 'title': \"It's \\\"x\\\" &amp; co\", 'price': 3.5, 'categories': [['A', "
          "'B']], 'related': {'also_bought': ['Y']}, 'n': None}\n");
  import({.input = reviews, .meta = meta, .min_user = 0, .min_item = 0});
  EXPECT_EQ(out().title(1), "It's \"x\" &amp; co");
  EXPECT_EQ(out().items(0)[0], 2);
  EXPECT_NE(read_file(folder_ / "out/items.jsonl").find("\"categories\":\"A, B\""),
            std::string::npos);
}

TEST_F(Import, Amazon2023CountsMilliseconds) {
  import_all(put("r.jsonl",
                 "{\"user_id\":\"A\",\"asin\":\"c1\",\"parent_asin\":\"P\",\"rating\":5.0,"
                 "\"timestamp\":1588615855070}\n"
                 "{\"user_id\":\"A\",\"asin\":\"c2\",\"parent_asin\":\"Q\",\"rating\":5.0,"
                 "\"timestamp\":1588615855069}\n"));
  EXPECT_EQ(out().item_id(out().items(0)[0]), "Q");  // ordered by milliseconds
  EXPECT_EQ(out().timestamps(0)[0], 1588615855);
}

TEST_F(Import, AmazonRatings2014And2018ColumnOrder) {
  import_all(put("ratings_A.csv", "A00000000001,B000000001,5.0,10\n"));
  EXPECT_EQ(out().user_id(0), "A00000000001");
  import_all(put("ratings_B.csv", "B000000001,A00000000001,5.0,10\n"));
  EXPECT_EQ(out().user_id(0), "A00000000001");
}

TEST_F(Import, HllmFindsItsTwoFiles) {
  put("hllm/interactions/books.csv", "item_id,user_id,timestamp\nb,u,2\na,u,1\n");
  put("hllm/information/books.csv", "item_id,title,description\na,Title A,\"x, y\"\n");
  import_all(folder_ / "hllm");
  EXPECT_EQ(out().title(1), "Title A");
}

TEST_F(Import, MiniOneRecMergesTheRowsOfAUser) {
  put("m/valid_x.csv", "user_id,history_item_id,item_id\nu,\"[3, 1]\",2\nv,[],9\n");
  put("m/test_x.csv", "user_id,history_item_id,item_id\nu,\"[1, 2]\",7\n");
  put("m/x.item.json", "{\n\"3\": {\"title\": \"Three\", \"brand\": \"b\"}\n}\n");
  EXPECT_EQ(import({.input = folder_ / "m"}).format, "minionerec");
  std::vector<std::string> items;
  const Dataset merged = out();
  for (const int32_t item : merged.items(0)) items.emplace_back(merged.item_id(item));
  EXPECT_EQ(items, (std::vector<std::string>{"3", "1", "2", "7"}));
  EXPECT_EQ(merged.num_interactions(), 5);
  EXPECT_EQ(merged.title(merged.items(0)[0]), "Three");
  put("m/test_x.csv", "user_id,history_item_id,item_id\nu,[1,7\n");
  EXPECT_THROW(import({.input = folder_ / "m"}, "bad"), FormatError);
}

TEST_F(Import, SequencesKeepTheirOrder) {
  put("s/sequences.tsv", "10\tz a z\n9\tb\n");
  put("s/titles.tsv", "a\tTitle A\n");
  EXPECT_EQ(import({.input = folder_ / "s"}).format, "sequences");
  EXPECT_EQ(out().user_id(0), "9");
  EXPECT_EQ(out().items(1)[0], 3);
  EXPECT_EQ(out().items(1)[1], 1);
  EXPECT_EQ(out().title(1), "Title A");
  EXPECT_THROW(import({.input = folder_ / "s", .ties = EqualTimes::kItem}, "t"), UsageError);
}

TEST_F(Import, MovieLensOfEveryAge) {
  put("a/u.data", "1\t5\t3\t100\n");
  put("a/u.item", "5|Matrix, The (1999)|01-Jan-1995||x\n");
  import_all(folder_ / "a");
  EXPECT_EQ(out().title(1), "The Matrix (1999)");
  put("b/ratings.dat", "1::5::3.5::100\n");
  put("b/movies.dat", "5::Caf\xE9 (a (b) (1999)::Drama\n");
  import_all(folder_ / "b");
  EXPECT_EQ(out().title(1), "Café (1999)");
  EXPECT_EQ(out().ratings(0)[0], 3.5F);
  put("c/ratings.csv", "userId,movieId,rating,timestamp\n1,5,3.5,100\n");
  put("c/movies.csv", "movieId,title,genres\n5,\"Misérables, Les (1995)\",Drama\n");
  EXPECT_EQ(import_all(folder_ / "c").titles, "clean");
  EXPECT_EQ(out().title(1), "Misérables, Les (1995)");
}

TEST_F(Import, MovieLensTitlesHaveThreeForms) {
  put("m/ratings.csv", "userId,movieId,rating,timestamp\n1,1,3,1\n1,2,3,2\n1,3,3,3\n1,4,3,4\n");
  put("m/movies.csv",
      "movieId,title,genres\n1,\"Fabuleux, The (Amélie) (2001)\",x\n2,\"Bug's Life, A (1998)\",x\n"
      "3,\"Heat, The\",x\n4,\"Good, the Bad and the Ugly, The (1966)\",x\n");
  const auto titles = [&](MovieTitles how) {
    const ImportReport report = import(
        {.input = folder_ / "m", .min_user = 0, .min_item = 0, .overwrite = true, .titles = how});
    std::string text = report.titles;
    EXPECT_EQ(read_json(folder_ / "out/dataset.json")["source"]["titles"], report.titles);
    for (int32_t item = 1; item <= 4; ++item) text += " | " + std::string(out().title(item));
    return text;
  };
  EXPECT_EQ(titles(MovieTitles::kClean),
            "clean | The Fabuleux (2001) | A Bug's Life (1998) | Heat, The | "
            "The Good, the Bad and the Ugly (1966)");
  EXPECT_EQ(titles(MovieTitles::kPlain),
            "plain | Fabuleux, The (Amélie) (2001) | Bug's Life, A (1998) | Heat, The | "
            "Good, the Bad and the Ugly, The (1966)");
  // Its last seven characters count as the year: "Heat, The" has none.
  EXPECT_EQ(titles(MovieTitles::kLlamaRec),
            "llamarec | The Fabuleux (2001) | A Bug's Life (1998) | Heat, The | "
            "The Good, the Bad and the Ugly (1966)");
  put("m/movies.csv",
      "movieId,title,genres\n1,Amélie (2001),x\n2,b (2002),x\n3,c (2003),x\n4,d (2004),x\n");
  EXPECT_EQ(titles(MovieTitles::kClean), "clean | Amélie (2001) | b (2002) | c (2003) | d (2004)");
  EXPECT_EQ(titles(MovieTitles::kLlamaRec),
            "llamarec | AmÃ©lie (2001) | b (2002) | c (2003) | d (2004)");
}

TEST_F(Import, DropUntitledComesBeforeTheCore) {
  put("d/interactions.csv", "user,item\nu,a\nu,b\nv,a\nv,b\nv,c\n");
  put("d/items.csv", "item,title\na,A\nc,C\n");
  import({.input = folder_ / "d", .min_user = 2, .min_item = 0, .drop_untitled = true});
  EXPECT_EQ(out().num_users(), 1);
  EXPECT_EQ(out().num_items(), 2);
}

TEST_F(Import, BadInputGivesOneClearMessage) {
  const std::string good = std::string(kHeader) + "u,a,1,10\n";
  EXPECT_EQ(failure(put("broken.csv", good + "u,b\n"), "csv"),
            "broken.csv:3: found 2 columns, expected 4 separated by ','");
  EXPECT_EQ(failure(put("broken.inter", "user_id:token\titem_id:token\nu,a\n"), "recbole"),
            "broken.inter:2: found 1 column, expected 2 separated by tabs");
  EXPECT_EQ(failure(put("u.data", "1,2,3,4\n"), "movielens"),
            "u.data:1: found 1 column, expected 4 separated by tabs");
  EXPECT_EQ(failure(put("time.csv", good + "u,b,1,now\n"), "csv"),
            "time.csv:3: found time 'now', expected a number such as 1530999999 or a date such "
            "as 2018-07-07 22:09:11");
  EXPECT_EQ(failure(put("rating.csv", good + "u,b,x,1\n"), "csv"),
            "rating.csv:3: found rating 'x', expected a number");
  EXPECT_EQ(failure(put("latin.csv", good + "u,caf\xE9,1,1\n"), "csv"),
            "latin.csv:3: found byte 0xE9 at column 6, which is not UTF-8, expected UTF-8 text "
            "(iconv -f latin1 -t utf8 converts)");
  EXPECT_EQ(failure(put("quote.csv", good + "u,\"b,1,1\n"), "csv"),
            "quote.csv:3: found a quote that is never closed, expected a closing quote");
  EXPECT_EQ(
      failure(put("column.csv", "user,thing\nu,a\n"), "csv")
          .find("column.csv:1: found columns 'user, thing' separated by ',', expected a column for "
                "the item"),
      0U);
  EXPECT_EQ(failure(put("bad.jsonl", "{\"user\":1,\"item\":2}\n{\"user\":1\n"), "jsonl")
                .find("bad.jsonl:2: found '{\"user\":1'"),
            0U);
  EXPECT_EQ(
      failure(put("list.jsonl", "{\"user\":1,\"item\":2}\n{\"user\":[1],\"item\":2}\n"), "jsonl"),
      "list.jsonl:2: found \"user\": [1], expected text or a whole number for \"user\"");
  EXPECT_EQ(failure(put("tab.tsv", "u a b\n"), "sequences"),
            "tab.tsv:1: found 'u a b' without a tab, expected user TAB items separated by spaces");
}

TEST_F(Import, TruncatedGzipIsRefused) {
  std::string text = kHeader;
  for (int i = 0; i < 5000; ++i)
    text += fmt::format("u{},i{},3,{}\n", i * 7919 % 1000, i * 104729 % 997, i);
  const fs::path path = put_gz("log.csv.gz", text);
  const std::string bytes = read_file(path);
  put("cut.csv.gz", bytes.substr(0, bytes.size() / 2));
  const std::string message = failure(folder_ / "cut.csv.gz", "csv");
  EXPECT_EQ(message.find("cut.csv.gz:"), 0U) << message;
  EXPECT_NE(message.find("found the end of a truncated gz stream, expected a complete gzip file"),
            std::string::npos)
      << message;
  std::string corrupt = bytes;
  corrupt[corrupt.size() - 6] ^= 1;  // the checksum
  EXPECT_NE(failure(put("sum.csv.gz", corrupt), "csv").find("corrupt gz data"), std::string::npos);
}

TEST_F(Import, SkippedLinesAreCounted) {
  const fs::path path =
      put("log.csv", std::string(kHeader) + "u,a,1,10\nbroken\nu,b,x,10\nu,c,1,11\n");
  const ImportReport report =
      import({.input = path, .min_user = 0, .min_item = 0, .skip_bad_lines = true});
  EXPECT_EQ(report.skipped_lines, 2);
  EXPECT_EQ(report.prepared.num_interactions, 2);
}

// Parts, threads and blocks must not show in the result: many lines on one thread and on three give
// the same bytes.
TEST_F(Import, ThreadsDoNotChangeTheResult) {
  std::string text = kHeader;
  for (int i = 0; i < 400000; ++i)
    text += fmt::format("user{},item{},3,{}\n", i * 7919LL % 5003, i * 104729LL % 997, i % 100);
  const fs::path path = put("log.csv", text);
  std::string fingerprints[2];
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    fingerprints[threads / 3] =
        import_dataset({.input = path, .overwrite = true}, folder_ / "out", pool)
            .prepared.fingerprint;
  }
  EXPECT_EQ(fingerprints[0], fingerprints[1]);
  const fs::path packed = put_gz("packed.csv.gz", text);
  EXPECT_EQ(import({.input = packed, .overwrite = true}).prepared.fingerprint, fingerprints[0]);
}

TEST_F(Import, ExportThenImportGivesTheSameFingerprint) {
  RawLog log;
  log.interactions = {
      {"7", "a b", 10, 2.5F}, {"7", "c,\"d", 10}, {"12", "é", 3, 0.1F}, {"12", "a b", 4, 1.0F}};
  log.items = {{"é", "Title, with \"quotes\"", {{"genres", "x|y"}, {"authors", "A; B"}}},
               {"a b", "", {{"year", "1999"}}}};
  RawLog bare;  // neither times nor ratings nor titles
  bare.interactions = {{"x", "2"}, {"x", "10"}, {"y", "10"}};
  for (const RawLog& one : {log, bare}) {
    const std::string want =
        write_dataset({folder_ / "set", kDatasetFolder, true}, one).fingerprint;
    for (const ExportFormat format :
         {ExportFormat::kRecbole, ExportFormat::kJsonl, ExportFormat::kCsv}) {
      export_dataset(Dataset::open(folder_ / "set"), format,
                     {folder_ / "exported", kExportFolder, true});
      EXPECT_EQ(import_all(folder_ / "exported").prepared.fingerprint, want)
          << static_cast<int>(format);
    }
  }
}

TEST_F(Import, DescribeCountsAndChecks) {
  import_all(put("log.csv", std::string(kHeader) + "u,a,1,86400\nu,b,3,0\nv,a,5,10\n"));
  const Json d = describe_dataset(out());
  EXPECT_EQ(d["num_users"], 2);
  EXPECT_EQ(d["median_length"], 1.5);
  EXPECT_EQ(d["density"], 0.75);
  EXPECT_EQ(d["mean_rating"], 3.0);
  EXPECT_EQ(d["last_time"], "1970-01-02 00:00:00");
  EXPECT_NE(describe_text(d).find("1.50 on average"), std::string::npos);
  std::ofstream(folder_ / "out/items.jsonl", std::ios::app) << "\n";
  EXPECT_THROW(describe_dataset(out()), FormatError);
}

}  // namespace
}  // namespace tandem
