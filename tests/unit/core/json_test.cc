// SPDX-License-Identifier: Apache-2.0
#include "core/json.h"

#include <gtest/gtest.h>

#include "core/json_depth.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

std::string error_of(std::string_view text) {
  try {
    parse_json(text, "file.json");
    return "";
  } catch (const FormatError& error) {
    return error.what();
  }
}

TEST(Json, KeepsTheOrderOfKeys) {
  EXPECT_EQ(parse_json(R"({"z":1,"a":[2.5,null],"m":"ä"})", "x").dump(),
            R"({"z":1,"a":[2.5,null],"m":"ä"})");
}

TEST(Json, ErrorsNameFileAndLine) {
  EXPECT_TRUE(error_of("{\n\"a\": 1,\n}").starts_with("file.json:3: not valid JSON"))
      << error_of("{\n\"a\": 1,\n}");
  EXPECT_TRUE(error_of("").starts_with("file.json:1: not valid JSON")) << error_of("");
  EXPECT_NE(error_of("\"\xff\""), "");
  EXPECT_NE(error_of("{} x"), "");
  EXPECT_NE(error_of("[1e44444]"), "");
}

TEST(Json, RefusesDeepNesting) {
  EXPECT_EQ(error_of(std::string(150, '[') + std::string(150, ']')), "");
  EXPECT_EQ(error_of(std::string(100000, '[')), "file.json: JSON nested too deeply");
}

TEST(Json, DepthIsThatOfBracketsOutsideStrings) {
  EXPECT_EQ(json_depth("[]"), 1);
  EXPECT_EQ(json_depth(R"([{"a": [1]}, []])"), 3);
  EXPECT_EQ(json_depth(R"(["[[[", "\"[[[", "\\", [1]])"), 2);
  EXPECT_EQ(json_depth(""), 0);
}

TEST(Json, WholeNumbersAreNeverCutOrWrapped) {
  const Json value = parse_json(
      R"({"half":3.7,"big":18446744073709551615,"minus":-1,"true":true,"huge":1e300,"n":300})",
      "x");
  for (const char* key : {"half", "big", "true", "huge"})
    EXPECT_THROW(json_get<int64_t>(value, key, "x"), FormatError) << key;
  EXPECT_THROW(json_get<uint64_t>(value, "minus", "x"), FormatError);
  EXPECT_THROW(json_get<int8_t>(value, "n", "x"), FormatError);
  EXPECT_EQ(json_get<uint64_t>(value, "big", "x"), UINT64_MAX);
  EXPECT_EQ(json_get<int64_t>(value, "minus", "x"), -1);
  EXPECT_EQ(json_get<double>(value, "n", "x"), 300.0);
  EXPECT_TRUE(json_get<bool>(value, "true", "x"));
}

TEST(Json, GetNamesKeyAndValue) {
  const Json value = parse_json(R"({"n":3,"s":"x","none":null})", "x");
  EXPECT_EQ(json_get<int64_t>(value, "n", "x"), 3);
  EXPECT_EQ(json_get_or<std::string>(value, "none", "other", "x"), "other");
  EXPECT_EQ(json_get_or<std::string>(value, "absent", "other", "x"), "other");
  EXPECT_EQ(json_get_or<std::string>(value, "s", "other", "x"), "x");
  EXPECT_THROW(json_get<int64_t>(value, "absent", "x"), FormatError);
  EXPECT_THROW(json_get<int64_t>(Json(3), "n", "x"), FormatError);
  try {
    json_get<int64_t>(value, "s", "run.json");
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_STREQ(error.what(), "run.json: key 's' has an unexpected value: \"x\"");
  }
}

// By this a run is told from another program's folder before it is replaced.
TEST(Json, AFileHasAKeyWithAText) {
  const test::TemporaryFolder folder;
  const fs::path file = folder / "x.json";
  write_file(file, R"({"program":"tandem","n":3})");
  EXPECT_TRUE(json_file_has(file, "program"));
  EXPECT_TRUE(json_file_has(file, "program", "tandem"));
  EXPECT_FALSE(json_file_has(file, "program", "other"));
  EXPECT_TRUE(json_file_has(file, "n"));
  EXPECT_FALSE(json_file_has(file, "n", "3")) << "a number is no text";
  EXPECT_FALSE(json_file_has(file, "absent"));
  write_file(file, "[\"program\"]");
  EXPECT_FALSE(json_file_has(file, "program"));
  write_file(file, "{broken");
  EXPECT_FALSE(json_file_has(file, "program"));
  fs::remove(file);
  EXPECT_FALSE(json_file_has(file, "program"));
}

}  // namespace
}  // namespace tandem
