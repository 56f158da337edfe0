// SPDX-License-Identifier: Apache-2.0
// How files are written: line ends, encodings, names, Python literals.
#include "core/json.h"
#include "data/describe.h"
#include "support/import_folder.h"

namespace tandem {
namespace {

using test::holds;
using ImportReading = test::ImportFolder;

TEST_F(ImportReading, LinesMayEndWithCrAlone) {
  import(put("log.csv", "user,item,ts\ru,b,2\ru,a,1\r"));
  EXPECT_EQ(orders(), "u: a b");
  import(put("log.jsonl",
             "{\"user\":\"u\",\"item\":\"a\",\"ts\":1}\r{\"user\":\"u\",\"item\":\"b\",\"ts\":2}"));
  EXPECT_EQ(orders(), "u: a b");
  EXPECT_EQ(failure(put("bad.csv", "user,item,ts\ru,b,2\ru,a\r")).substr(0, 20),
            "3: bad.csv:3: found ");
  // Inside quotes it is part of a text.
  import(put("q.csv", "user,item,title\nu,a,\"x\ry\"\n"));
  EXPECT_EQ(titles(), "a=x y");
}

// Parquet, workbooks and archives are told what they are, given as a file or in a folder.
TEST_F(ImportReading, FilesThatAreNoTextAreNamed) {
  using namespace std::string_literals;
  for (const auto& [bytes, what] : {std::pair{"PAR1\x15\x04 more PAR1"s, "a Parquet file"},
                                    {"PK\x03\x04\x14"s, "a zip archive or an Excel workbook"},
                                    {"SQLite format 3\0 pages"s, "an SQLite database"},
                                    {"BZh91AY&SY"s, "a bzip2 archive"}}) {
    const std::string told = fmt::format("found {}, expected text", what);
    EXPECT_TRUE(holds(failure(put("log.csv", bytes), "csv"), "3: log.csv: " + told));
    fs::remove(in() / "log.csv");
    put("log.parquet", bytes);
    EXPECT_TRUE(holds(failure(in()), "3: log.parquet: " + told)) << failure(in());
  }
  import(put("log.csv", "PAR1,a\nPAR1,b\n"), "csv", "user=1,item=2");  // an id
  EXPECT_EQ(orders(), "PAR1: a b");
}

TEST_F(ImportReading, Utf16IsNamed) {
  EXPECT_EQ(failure(put("log.csv", std::string("\xFF\xFEu\0s\0", 6)), "csv"),
            "3: log.csv:1: found UTF-16, expected UTF-8 text (iconv -f utf-16 -t utf-8 converts)");
}

TEST_F(ImportReading, NamesOfFilesNeedNotBeUtf8) {
  import(put("Caf\xE9.csv", "user,item,ts\nu,a,1\n"));
  EXPECT_EQ(orders(), "u: a");
  EXPECT_EQ(read_json(folder_ / "out/dataset.json")["source"]["name"], "Caf\xEF\xBF\xBD.csv");
  const fs::path moved = folder_ / "d\xE9";
  fs::rename(folder_ / "out", moved);
  EXPECT_NO_THROW((void)describe_dataset(Dataset::open(moved)).dump());
}

TEST_F(ImportReading, ReviewsMayBePythonLiterals) {
  import(put(
      "steam.json",
      "{u'username': u'ann', u'product_id': u'10', u'date': u'2017-12-17', u'text': u'it\\'s'}\n"
      "{u'username': u'ann', u'product_id': u'20', u'date': u'2017-12-16', u'hours': 1.5}\n"));
  EXPECT_EQ(orders(), "ann: 20 10");
  import(
      put("asin.json", "{'reviewerID': 'u', 'asin': 'a', 'overall': 5.0, 'unixReviewTime': 7}\n"));
  EXPECT_EQ(last_.format, "amazon");
  EXPECT_EQ(orders(), "u: a");
  EXPECT_EQ(failure(put("bad.json", "{u'user': u'ann', u'item': \n")).substr(0, 36),
            "3: bad.json:1: found the end of the ");
}

}  // namespace
}  // namespace tandem
