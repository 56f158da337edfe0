// SPDX-License-Identifier: Apache-2.0
#include "data/export.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/dataset_files.h"
#include "data/import.h"
#include "support/temporary_folder.h"

// Options are named where they differ from the default.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace tandem {
namespace {

class Export : public ::testing::Test {
 protected:
  // Everything the other formats must carry: quotes, separators, no title, no rating, a tie.
  void SetUp() override {
    RawLog log;
    log.interactions = {
        {"7", "a b", 10, 2.5F}, {"7", "c,\"d", 10}, {"12", "é", -3, 0.1F}, {"12", "a b", 4, 1.0F}};
    log.items = {{"é", "Title, with \"quotes\"", {{"genres", "x|y"}, {"authors", "A; B"}}},
                 {"a b", "", {{"year", "1999"}}}};
    write_dataset(folder_ / "set", log);
  }
  void write_export(ExportFormat format) {
    export_dataset(Dataset::open(folder_ / "set"), format, {folder_ / "out", kExportFolder, true});
  }
  std::string exported(ExportFormat format, const char* file) {
    write_export(format);
    return read_file(folder_ / "out" / file);
  }
  test::TemporaryFolder folder_;
};

TEST_F(Export, Csv) {
  EXPECT_EQ(exported(ExportFormat::kCsv, "interactions.csv"),
            "user,item,rating,timestamp\n"
            "7,a b,2.5,10\n"
            "7,\"c,\"\"d\",,10\n"
            "12,é,0.1,-3\n"
            "12,a b,1,4\n");
  EXPECT_EQ(exported(ExportFormat::kCsv, "items.csv"),
            "item,title,year,authors,genres\n"
            "a b,,1999,,\n"
            "\"c,\"\"d\",,,,\n"
            "é,\"Title, with \"\"quotes\"\"\",,A; B,x|y\n");
}

TEST_F(Export, JsonLines) {
  EXPECT_EQ(exported(ExportFormat::kJsonl, "interactions.jsonl"),
            "{\"user\":\"7\",\"item\":\"a b\",\"rating\":2.5,\"timestamp\":10}\n"
            "{\"user\":\"7\",\"item\":\"c,\\\"d\",\"rating\":null,\"timestamp\":10}\n"
            "{\"user\":\"12\",\"item\":\"é\",\"rating\":0.10000000149011612,\"timestamp\":-3}\n"
            "{\"user\":\"12\",\"item\":\"a b\",\"rating\":1.0,\"timestamp\":4}\n");
  EXPECT_EQ(exported(ExportFormat::kJsonl, "items.jsonl"),
            "{\"item_id\":\"a b\",\"title\":\"\",\"year\":\"1999\"}\n"
            "{\"item_id\":\"c,\\\"d\",\"title\":\"\"}\n"
            "{\"item_id\":\"é\",\"title\":\"Title, with "
            "\\\"quotes\\\"\",\"authors\":\"A; B\",\"genres\":\"x|y\"}\n");
}

TEST_F(Export, RecBoleNamesTheFilesAfterTheFolder) {
  EXPECT_EQ(exported(ExportFormat::kRecbole, "out.inter"),
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
            "7\ta b\t2.5\t10\n"
            "7\tc,\"d\t\t10\n"
            "12\té\t0.1\t-3\n"
            "12\ta b\t1\t4\n");
  EXPECT_EQ(exported(ExportFormat::kRecbole, "out.item"),
            "item_id:token\ttitle:token_seq\tyear:token_seq\tauthors:token_seq\tgenres:token_seq\n"
            "a b\t\t1999\t\t\n"
            "c,\"d\t\t\t\t\n"
            "é\tTitle, with \"quotes\"\t\tA; B\tx|y\n");
}

// What comes back is compared with literal values, not with what went out.
TEST_F(Export, ImportingItAgainGivesTheSameSet) {
  for (const ExportFormat format :
       {ExportFormat::kRecbole, ExportFormat::kJsonl, ExportFormat::kCsv}) {
    SCOPED_TRACE(static_cast<int>(format));
    write_export(format);
    ThreadPool pool(2);
    import_dataset({.input = folder_ / "out", .min_user = 0, .min_item = 0, .overwrite = true},
                   folder_ / "again", pool);
    const Dataset data = Dataset::open(folder_ / "again");
    std::string text;
    for (int64_t user = 0; user < data.num_users(); ++user) {
      for (size_t i = 0; i < data.items(user).size(); ++i)
        text += fmt::format("{} {} {} {}\n", data.user_id(user), data.item_id(data.items(user)[i]),
                            data.timestamps(user)[i], data.ratings(user)[i]);
    }
    EXPECT_EQ(text, "7 a b 10 2.5\n7 c,\"d 10 nan\n12 é -3 0.1\n12 a b 4 1\n");
    EXPECT_EQ(read_file(folder_ / "again" / "items.jsonl"),
              "{\"item\":1,\"item_id\":\"a b\",\"title\":\"\",\"year\":\"1999\"}\n"
              "{\"item\":2,\"item_id\":\"c,\\\"d\",\"title\":\"\"}\n"
              "{\"item\":3,\"item_id\":\"é\",\"title\":\"Title, with \\\"quotes\\\"\","
              "\"authors\":\"A; B\",\"genres\":\"x|y\"}\n");
    EXPECT_EQ(data.fingerprint(), Dataset::open(folder_ / "set").fingerprint());
  }
}

TEST_F(Export, LeavesOutColumnsThatTheSetDoesNotHave) {
  RawLog bare;
  bare.interactions = {{"x", "2"}, {"x", "10"}, {"y", "10"}};
  write_dataset({folder_ / "set", kDatasetFolder, true}, bare);
  EXPECT_EQ(exported(ExportFormat::kCsv, "interactions.csv"), "user,item\nx,2\nx,10\ny,10\n");
  EXPECT_EQ(exported(ExportFormat::kCsv, "items.csv"), "item,title\n2,\n10,\n");
  EXPECT_EQ(exported(ExportFormat::kJsonl, "interactions.jsonl"),
            "{\"user\":\"x\",\"item\":\"2\"}\n{\"user\":\"x\",\"item\":\"10\"}\n"
            "{\"user\":\"y\",\"item\":\"10\"}\n");
}

}  // namespace
}  // namespace tandem
