// SPDX-License-Identifier: Apache-2.0
// Rows that an import leaves out: which, how they are counted, and what the message says.
#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "data/dataset.h"
#include "data/describe.h"
#include "data/import.h"
#include "support/temporary_folder.h"

// Options are named where they differ from the default.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace tandem {
namespace {

class ImportFilter : public ::testing::Test {
 protected:
  fs::path put(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  // Without a core, so that a few lines are a data set.
  ImportReport import(ImportOptions options) {
    options.min_user = options.min_user.value_or(0);
    options.min_item = options.min_item.value_or(0);
    options.overwrite = true;
    ThreadPool pool(2);
    return import_dataset(options, folder_ / "out", pool);
  }
  // "user: item item; user: ..."
  std::string content() {
    const Dataset data = Dataset::open(folder_ / "out");
    std::string text;
    for (int64_t user = 0; user < data.num_users(); ++user) {
      text += fmt::format("{}{}:", user == 0 ? "" : "; ", data.user_id(user));
      for (const int32_t item : data.items(user)) text += fmt::format(" {}", data.item_id(item));
    }
    return text;
  }
  std::string examples(const ImportReport& report) {
    std::string text;
    for (const DroppedRow& row : report.dropped.examples())
      text += fmt::format("{}:{} {} {}\n", fs::path(row.file).filename().string(), row.line,
                          report.filter.reason_text(row.reason), row.text);
    return text;
  }
  std::string message(const ImportOptions& options) {
    try {
      import(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  const test::TemporaryFolder folder_;
};

TEST_F(ImportFilter, RowsWithoutUserOrItemAreCountedAndShown) {
  const fs::path log = put("log.csv",
                           "user,item,timestamp\n"
                           "u,a,1\n,b,2\nNULL,c,not read any further\n\nu,nan,3\nv,b,4\nNaN,d,5\n"
                           " None ,d,6\n");
  const ImportReport report = import({.input = log});
  EXPECT_EQ(content(), "u: a; v: b");
  EXPECT_EQ(examples(report),
            "log.csv:3 without a user ',b,2'\n"
            "log.csv:4 without a user 'NULL,c,not read any further'\n"
            "log.csv:6 without an item 'u,nan,3'\n"
            "log.csv:8 without a user 'NaN,d,5'\n");
  EXPECT_EQ(report.prepared.dropped["no_user"], 4);
  EXPECT_EQ(report.prepared.dropped["no_item"], 1);
  EXPECT_EQ(report.prepared.raw_interactions, 2);
  EXPECT_EQ(report.skipped_lines, 0);
}

// Each format once, with a user missing and, where it has columns, a condition.
TEST_F(ImportFilter, EveryFormatLeavesTheSameRowsOut) {
  const auto check = [&](const std::string& format, const fs::path& input, const std::string& where,
                         const std::string& lines) {
    SCOPED_TRACE(format);
    const ImportReport report = import({.format = format, .input = input, .where = {where}});
    EXPECT_EQ(content(), "u: a b; v: a");
    EXPECT_EQ(report.prepared.dropped["no_user"], 1);
    EXPECT_EQ(report.prepared.dropped["where"][0]["condition"], where);
    EXPECT_EQ(report.prepared.dropped["where"][0]["interactions"], 2);
    EXPECT_EQ(report.prepared.dropped["where"][0]["no_value"], 0);
    std::string found;
    for (const DroppedRow& row : report.dropped.examples()) found += std::to_string(row.line) + ' ';
    EXPECT_EQ(found, lines);
  };
  const std::string rows = "u,a,5,1\n,b,5,2\nu,c,1,3\nu,b,4,4\nv,c,2,5\nv,a,3,6\n";
  const auto with = [&](const std::string& separator) {
    std::string text = rows;
    for (size_t at = 0; (at = text.find(',', at)) != std::string::npos; at += separator.size())
      text.replace(at, 1, separator);
    return text;
  };
  check("csv", put("log.csv", "user,item,rating,timestamp\n" + rows), "rating>=3", "3 4 6 ");
  check("csv", put("quoted.csv", "user,item,rating,timestamp\n\"u\"" + rows.substr(1)), "rating>=3",
        "3 4 6 ");
  check("movielens", put("u.data", with("\t")), "rating>=3", "2 3 5 ");
  check("movielens", put("ratings.dat", with("::")), "rating>=3", "2 3 5 ");
  check("movielens", put("ratings.csv", "userId,movieId,rating,timestamp\n" + rows), "rating>=3",
        "3 4 6 ");
  check("amazon", put("ratings_Beauty.csv", rows), "rating>=3", "2 3 5 ");
  check(
      "recbole",
      put("s.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + with("\t")),
      "rating>=3", "3 4 6 ");
  check(
      "hllm",
      put("hllm.csv",
          "item_id,user_id,timestamp,kind\na,u,1,x\nb,,2,x\nc,u,3,y\nb,u,4,x\nc,v,5,y\na,v,6,x\n"),
      "kind=x", "3 4 6 ");
  check("jsonl",
        put("log.jsonl",
            R"({"user":"u","item":"a","gift":false}
{"user":null,"item":"b","gift":false}
{"user":"u","item":"c","gift":true}
{"user":"u","item":"b","gift":false}
{"user":"v","item":"c","gift":true}
{"user":"v","item":"a","gift":false}
)"),
        "gift=false", "2 3 5 ");
}

TEST_F(ImportFilter, SequencesWithoutAUserAreLeftOut) {
  const ImportReport report =
      import({.format = "sequences", .input = put("s.tsv", "u\ta b\n\tc d\nv\ta\n")});
  EXPECT_EQ(content(), "u: a b; v: a");
  EXPECT_EQ(examples(report), "s.tsv:2 without a user '?c d'\n");
  EXPECT_NE(message({.format = "sequences", .input = folder_ / "s.tsv", .where = {"a>1"}})
                .find("has no columns"),
            std::string::npos);
}

TEST_F(ImportFilter, ConditionsAreCountedApartFromMissingValues) {
  const fs::path log = put("log.csv",
                           "user,item,Unit Price,quantity\n"
                           "u,a,5,1\nu,b,5,-1\nu,c,,2\nu,d,0,3\nu,e,NaN,0\nu,f,7.5,10\n");
  const ImportReport report = import({.input = log, .where = {"quantity > 0", "Unit Price>0.5"}});
  EXPECT_EQ(content(), "u: a f");
  EXPECT_EQ(report.prepared.dropped["where"],
            Json::parse(R"([{"condition":"quantity>0","interactions":2,"no_value":0},
                            {"condition":"Unit Price>0.5","interactions":1,"no_value":1}])"));
  EXPECT_EQ(examples(report),
            "log.csv:3 not quantity>0 'u,b,5,-1'\n"
            "log.csv:4 without a value for Unit Price 'u,c,,2'\n"
            "log.csv:5 not Unit Price>0.5 'u,d,0,3'\n"
            "log.csv:6 not quantity>0 'u,e,NaN,0'\n");
}

TEST_F(ImportFilter, ColumnsWithoutAHeaderHaveNumbers) {
  ImportOptions options{.format = "csv", .input = put("log.csv", "7,x,100,a\n8,y,50,b\n")};
  options.columns = parse_column_map("user=1,item=2,time=3");
  options.where = {"4=b"};
  import(options);
  EXPECT_EQ(content(), "8: y");
  options.where = {"5=b"};
  EXPECT_EQ(message(options), "--where 5=b: found no column '5' in " + options.input.string() +
                                  ", expected one of: 1, 2, 3, 4");
}

TEST_F(ImportFilter, AnUnknownColumnIsNamedWithThoseThereAre) {
  const fs::path csv = put("log.csv", "user,item,quantity\nu,a,1\n");
  EXPECT_EQ(message({.input = csv, .where = {"quantity>0", "qty>0"}}),
            "--where qty>0: found no column 'qty' in " + csv.string() +
                ", expected one of: user, item, quantity");
  const fs::path jsonl =
      put("log.jsonl", "{\"user\":1,\"item\":2}\n{\"user\":1,\"item\":3,\"quantity\":1}\n");
  EXPECT_EQ(message({.input = jsonl, .where = {"qty>0"}}),
            "--where qty>0: found no value for 'qty' in " + jsonl.string() +
                ", expected a key such as: user, item");
  // A key that some lines have is a column.
  EXPECT_EQ(
      import({.input = jsonl, .where = {"quantity>0"}}).prepared.dropped["where"][0]["no_value"],
      1);
}

TEST_F(ImportFilter, ListedItemsGoBeforeUntitledOnesAndTheCore) {
  put("d/interactions.csv", "user,item\nu,a\nu,b\nu,c\nv,a\nv,b\nw,a\nw,d\nw,d\n");
  put("d/items.csv", "item,title\na,A\nb,B\n");
  const fs::path list = put("drop.txt", "b\r\n\n  d \nzz\nb\n");
  const ImportReport report =
      import({.input = folder_ / "d", .min_user = 2, .drop_items = list, .drop_untitled = false});
  // Left are u: a c, v: a, w: a; with two interactions a user only u.
  EXPECT_EQ(content(), "u: a c");
  EXPECT_EQ(report.prepared.dropped["items"],
            Json::parse(R"({"ids":3,"unknown_ids":1,"interactions":4})"));
  EXPECT_EQ(report.prepared.unknown_drop_items, (std::vector<std::string>{"zz"}));
  EXPECT_EQ(report.prepared.raw_interactions, 8);

  const ImportReport both =
      import({.input = folder_ / "d", .drop_items = list, .drop_untitled = true});
  EXPECT_EQ(content(), "u: a; v: a; w: a");
  EXPECT_EQ(both.prepared.listed_interactions, 4);    // d has no title either
  EXPECT_EQ(both.prepared.untitled_interactions, 1);  // c
  EXPECT_THROW(import({.input = folder_ / "d", .drop_items = folder_ / "none.txt"}), IoError);
}

TEST_F(ImportFilter, DatasetAndDescriptionHoldTheCounts) {
  const fs::path log =
      put("log.csv", "user,item,n\nu,a,1\n,a,1\nu,b,0\nu,c,\nu,d,1\nu,,2\nv,d,5\nv,a,1\n");
  import({.input = log, .where = {"n>0"}, .drop_items = put("drop.txt", "d\n")});
  const Json want = Json::parse(
      R"({"items":{"ids":1,"unknown_ids":0,"interactions":2},"untitled":0,"no_user":1,"no_item":1,
          "where":[{"condition":"n>0","interactions":1,"no_value":1}]})");
  EXPECT_EQ(read_json(folder_ / "out/dataset.json")["dropped"], want);
  const Json description = describe_dataset(Dataset::open(folder_ / "out"));
  EXPECT_EQ(description["dropped"], want);
  EXPECT_EQ(dropped_lines(want),
            (std::vector<std::string>{"1 row without a user", "1 row without an item",
                                      "1 row not n>0", "1 row without a value for n>0",
                                      "2 rows with an item of the list to drop"}));
  EXPECT_NE(describe_text(description).find("left out       1 row not n>0\n"), std::string::npos);
}

TEST_F(ImportFilter, NothingLeftSaysWhy) {
  const fs::path log = put("log.csv", "user,item,n\n,a,1\n,b,2\nu,b,0\n");
  EXPECT_EQ(message({.input = log, .where = {"n>0"}}),
            log.string() + ": no row is left: 2 without a user, 1 not n>0 (the first: " +
                log.string() + ":2: ',a,1')");
}

}  // namespace
}  // namespace tandem
