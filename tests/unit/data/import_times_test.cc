// SPDX-License-Identifier: Apache-2.0
// Times of real files: units, fractions, dates, and files that have none.
#include "core/json.h"
#include "data/describe.h"
#include "support/import_folder.h"

namespace tandem {
namespace {

using test::holds;
class ImportTimes : public test::ImportFolder {
 protected:
  Json stored() const { return read_json(folder_ / "out/dataset.json"); }
};

TEST_F(ImportTimes, FractionsOrderWhateverTheUnit) {
  import(put("s.csv",
             "user,item,timestamp\nu,c,1600000000.75\nu,a,1600000000.25\nu,b,1600000000.5\n"));
  EXPECT_EQ(orders(), "u: a b c");
  EXPECT_EQ(times(), "1600000000 1600000000 1600000000");
  EXPECT_EQ(warnings(), "");
  EXPECT_EQ(last_.prepared.equal_times.interactions, 0);
  import(put("ms.csv",
             "user,item,timestamp\nu,c,1600000000900\nu,a,1600000000100\nu,b,1600000000100.5\n"));
  EXPECT_EQ(orders(), "u: a b c");
  EXPECT_EQ(times(), "1600000000 1600000000 1600000000");
}

TEST_F(ImportTimes, UnitsAreToldByTheirSize) {
  const auto unit = [&](std::string_view first, std::string_view second) {
    import(put("log.csv", fmt::format("user,item,timestamp\nu,b,{}\nu,a,{}\n", second, first)));
    EXPECT_EQ(orders(), "u: a b") << first;
    EXPECT_EQ(stored()["source"]["time"], last_.time_unit);
    EXPECT_EQ(stored()["time_unit"], "seconds");
    EXPECT_EQ(holds(warnings(), "log.csv: times"),
              last_.time_unit != "seconds" && last_.time_unit != "dates")
        << warnings();
    return fmt::format("{}: {}", last_.time_unit, times());
  };
  EXPECT_EQ(unit("1600000000", "1600000001"), "seconds: 1600000000 1600000001");
  EXPECT_EQ(unit("1600000000100", "1600000000200"), "milliseconds: 1600000000 1600000000");
  EXPECT_EQ(unit("1600000000000001", "1600000000000002"), "microseconds: 1600000000 1600000000");
  EXPECT_EQ(unit("1600000000000000001", "1600000000000000002"),
            "nanoseconds: 1600000000 1600000000");
  EXPECT_EQ(unit("1", "2"), "seconds: 1 2");
  EXPECT_EQ(unit("2018-07-07", "2018-07-08T00:00:00.5Z"), "dates: 1530921600 1531008000");
  EXPECT_EQ(unit("20180707", "20180708"), "dates as numbers: 1530921600 1531008000");
  EXPECT_EQ(unit("20180707220911", "20180707220912"), "dates as numbers: 1531001351 1531001352");
  EXPECT_EQ(unit("20180707", "20189999"), "seconds: 20180707 20189999");
}

// Most of the rows decide; the others are counted.
TEST_F(ImportTimes, AnOutlierDoesNotChangeTheUnit) {
  import(put("log.csv", "user,item,timestamp\nu,a,1600000000\nu,b,1600000001\nu,c,253402300799\n"));
  EXPECT_EQ(times(), "1600000000 1600000001 253402300799");
  EXPECT_TRUE(holds(warnings(), "1 of 3 times are not of the size of seconds")) << warnings();
}

TEST_F(ImportTimes, DatesAndNumbersDoNotMix) {
  EXPECT_EQ(
      failure(put("log.csv", "user,item,timestamp\nu,a,1600000000\nu,b,2018-07-07\n")),
      "3: log.csv: found 1 of 2 times written as dates and the others as numbers, expected one "
      "of both");
}

TEST_F(ImportTimes, JsonHasThemAsNumbersAndTexts) {
  import(put("a.jsonl", R"({"user":"u","item":"b","ts":1600000000.25}
{"user":"u","item":"a","ts":1600000000.125}
{"user":"u","item":"c","ts":"1600000000.5"}
)"));
  EXPECT_EQ(orders(), "u: a b c");
  import(put("b.jsonl", R"({"user_id":"u","business_id":"b","date":"2018-07-07 22:09:11"}
{"user_id":"u","business_id":"a","date":"2018-07-07 22:09:10"}
)"));
  EXPECT_EQ(orders(), "u: a b");
  EXPECT_EQ(last_.time_unit, "dates");
}

TEST_F(ImportTimes, AreLookedForOnEveryLine) {
  const std::string first = R"({"user":"u","item":"c","rating":3})";
  const std::string rest = R"(
{"user":"u","item":"b","timestamp":20,"rating":4}
{"user":"u","item":"a","timestamp":10}
)";
  EXPECT_EQ(
      failure(put("log.jsonl", first + rest)),
      "3: log.jsonl:1: found no time under \"timestamp\", expected a time, as other lines have "
      "it");
  EXPECT_EQ(
      failure(put("null.jsonl", rest.substr(1) + R"({"user":"u","item":"c","timestamp":null})")),
      "3: null.jsonl:3: found no time under \"timestamp\", expected a time, as other lines have "
      "it");
  ImportOptions options;
  options.input = in() / "log.jsonl";
  options.skip_bad_lines = true;
  EXPECT_EQ(import(options).skipped_lines, 1);
  EXPECT_EQ(orders(), "u: a b");
}

TEST_F(ImportTimes, AFileWithoutThemIsSaidSo) {
  import(put("log.csv", "user,item,when\nu,b,2\nu,a,1\n"));
  EXPECT_EQ(orders(), "u: b a");
  EXPECT_FALSE(last_.has_time);
  EXPECT_TRUE(holds(warnings(), "log.csv: no time is recognised among user, item, when"))
      << warnings();
  EXPECT_EQ(stored()["time_unit"], nullptr);
  import(put("log.jsonl", "{\"user\":\"u\",\"item\":\"b\",\"when\":2}\n"));
  EXPECT_TRUE(holds(warnings(), "log.jsonl: no time is recognised among user, item, when"));
}

TEST_F(ImportTimes, NamesAreFoundInAnySpelling) {
  for (const char* name : {"Timestamp", "TIME", "time_stamp", "unixReviewTime", "unix-review-time",
                           "created_at", "CreatedAt", "Date", "datetime", "date_time", "Event Time",
                           "review_date", "reviewTime", "dateAdded"}) {
    import(put("log.csv", fmt::format("user,item,{}\nu,b,1600000002\nu,a,1600000001\n", name)));
    EXPECT_EQ(orders(), "u: a b") << name;
    EXPECT_EQ(warnings(), "") << name;
    import(put("log.jsonl", fmt::format("{{\"user\":\"u\",\"item\":\"b\",\"{}\":1600000002}}\n"
                                        "{{\"user\":\"u\",\"item\":\"a\",\"{}\":1600000001}}\n",
                                        name, name)));
    EXPECT_EQ(orders(), "u: a b") << name;
  }
}

// A name that only may be a time's is no reason to refuse a file that was read without it.
TEST_F(ImportTimes, AGuessedColumnMustHoldTimes) {
  import(put("log.csv", "user,item,date\nu,b,12/1/2010 8:26\nu,a,12/2/2010 8:26\n"));
  EXPECT_EQ(orders(), "u: b a");
  EXPECT_TRUE(holds(warnings(), "the column 'date' is not read: found time '12/1/2010 8:26'"));
  EXPECT_EQ(failure(put("sure.csv", "user,item,timestamp\nu,b,12/1/2010 8:26\n")).substr(0, 20),
            "3: sure.csv:2: found");
  import(put("log.jsonl", "{\"user\":\"u\",\"item\":\"b\",\"date\":\"May\"}\n"));
  EXPECT_TRUE(holds(warnings(), "the key \"date\" is not read: found time 'May'")) << warnings();
}

TEST_F(ImportTimes, TheShareOfEqualTimesIsKept) {
  import(put("log.csv",
             "user,item,timestamp\nu,a,1\nu,b,2\nu,c,2\nv,a,1\nv,b,1\nv,c,2\nv,d,3\nw,a,1\n"));
  EXPECT_EQ(stored()["equal_times"],
            (Json{{"interactions", 4}, {"users", 2}, {"users_decided", 1}}));
  // Fractions that are not kept still tell the order.
  import(put("ms.csv",
             "user,item,timestamp\nu,a,1600000000001\nu,b,1600000000002\nu,c,1600000000002\n"));
  const Json d = describe_dataset(Dataset::open(folder_ / "out"));
  EXPECT_EQ(d["equal_times"], (Json{{"interactions", 2}, {"users", 1}, {"users_decided", 1}}));
  EXPECT_TRUE(holds(describe_text(d), "66.7 % of the interactions share user and time"));
}

}  // namespace
}  // namespace tandem
