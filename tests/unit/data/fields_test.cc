// SPDX-License-Identifier: Apache-2.0
#include "data/fields.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/json_line.h"
#include "data/python_literal.h"
#include "data/raw_log.h"

namespace tandem {
namespace {

// "found ..., expected ...", or what was read.
template <typename Read>
std::string outcome(Read read) {
  try {
    return fmt::format("{}", read());
  } catch (const BadLine& bad) {
    return fmt::format("found {}, expected {}", bad.found, bad.expected);
  }
}

TEST(Fields, Ratings) {
  const auto rating = [](const char* text) { return outcome([&] { return parse_rating(text); }); };
  EXPECT_EQ(rating("4"), "4");
  EXPECT_EQ(rating("0"), "0");
  EXPECT_EQ(rating(" 9 "), "9");
  EXPECT_EQ(rating("3.5"), "3.5");
  EXPECT_EQ(rating("-10"), "-10");
  EXPECT_TRUE(std::isnan(parse_rating("  ")));
  for (const char* text : {"x", "3,5", "inf", "1e99", "5 stars"})
    EXPECT_EQ(rating(text), fmt::format("found rating '{}', expected a number", text));
}

TEST(Fields, Ids) {
  const auto id = [](std::string_view text) {
    return outcome([&] { return parse_id(text, "item"); });
  };
  EXPECT_EQ(id("  a b\t"), "a b");
  EXPECT_EQ(id(" "), "found an empty item, expected a item id");
  EXPECT_EQ(id("a\tb"), "found item id 'a?b' with a control character, expected printable text");
  EXPECT_EQ(id(std::string(1024, 'x')), std::string(1024, 'x'));
  EXPECT_EQ(id(std::string(1025, 'x')), "found a item id of 1025 bytes, expected at most 1024");
}

TEST(Fields, TextIsCleanedAndShortened) {
  EXPECT_EQ(clean_text(" \ta\nb\x7f c "), "a b  c");
  EXPECT_EQ(latin1_to_utf8("Caf\xE9 \xA0"), "Café \xC2\xA0");
  EXPECT_EQ(excerpt("a\tb"), "'a?b'");
  EXPECT_EQ(excerpt("caf\xE9"), "'caf?'");
  EXPECT_EQ(excerpt(std::string(60, 'x')), "'" + std::string(60, 'x') + "'");
  EXPECT_EQ(excerpt(std::string(61, 'x')), "'" + std::string(60, 'x') + "...'");
  EXPECT_EQ(excerpt(std::string(59, 'x') + "éx"), "'" + std::string(59, 'x') + "...'");
}

std::string joined(const std::vector<std::string_view>& fields) {
  return fmt::format("{}", fmt::join(fields, "|"));
}

TEST(Fields, SplitAtSeparatorsOfAnyLength) {
  std::vector<std::string_view> fields;
  const auto split = [&](std::string_view line, std::string_view separator) {
    split_fields(line, separator, fields);
    return joined(fields);
  };
  EXPECT_EQ(split("a,b,,c", ","), "a|b||c");
  EXPECT_EQ(split("", ","), "");
  EXPECT_EQ(fields.size(), 1U);
  EXPECT_EQ(split(",", ","), "|");
  EXPECT_EQ(split("a::b:c::", "::"), "a|b:c|");
  EXPECT_EQ(fields.size(), 3U);
}

TEST(CsvReader, RecordsOfRfc4180) {
  CsvReader reader("a,\"b\"\"c\",\r\n\n\"line\none\",x,\"\"\ny;z,\"q\" r\nlast,\"s\"", ",", 10);
  std::string text;
  std::vector<std::string_view> fields;
  for (bool more = true; more;) {
    try {
      if (!(more = reader.next(fields))) break;
      text += fmt::format("{}: {} <{}>\n", reader.line(), joined(fields), reader.record());
    } catch (const BadLine& bad) {
      text += fmt::format("{}: found {}\n", reader.line(), bad.found);
    }
  }
  EXPECT_EQ(text,
            "10: a|b\"c| <a,\"b\"\"c\",>\n"
            "12: line\none|x| <\"line\none\",x,\"\">\n"
            "14: found text ' r' behind a closing quote\n"
            "15: last|s <last,\"s\">\n");
}

TEST(JsonLine, ReadsValuesOfEachKind) {
  JsonLine json;
  json.parse(R"({"s":"é","i":-7,"r":2.5,"t":true,"n":null,"a":[1],"q":"4.5","u":1e3})");
  const auto text = [&](const char* key) {
    return outcome([&] { return json.text(key).value_or("none"); });
  };
  EXPECT_EQ(text("s"), "é");
  EXPECT_EQ(text("i"), "-7");
  EXPECT_EQ(text("n"), "none");
  EXPECT_EQ(text("absent"), "none");
  EXPECT_EQ(text("r"), "found \"r\": 2.5, expected text or a whole number for \"r\"");
  EXPECT_EQ(text("a"), "found \"a\": [1], expected text or a whole number for \"a\"");
  const auto scalar = [&](const char* key) {
    return outcome([&] { return json.scalar(key).value_or("none"); });
  };
  EXPECT_EQ(scalar("s"), "é");
  EXPECT_EQ(scalar("r"), "2.5");
  EXPECT_EQ(scalar("t"), "true");
  EXPECT_EQ(scalar("n"), "none");
  EXPECT_EQ(scalar("a"), "found \"a\": '[1]', expected text or a number for \"a\"");
  EXPECT_EQ(json.real("r"), 2.5);
  EXPECT_EQ(json.real("i"), -7.0);
  EXPECT_EQ(json.real("q"), 4.5);
  EXPECT_EQ(json.real("n"), std::nullopt);
  EXPECT_EQ(json.time("i"), (ExactTime{.whole = -7}));
  EXPECT_EQ(json.time("u"), (ExactTime{.whole = 1000}));
  EXPECT_EQ(json.time("r"), (ExactTime{2, kFractionOne / 2}));
  EXPECT_EQ(json.time("q"), (ExactTime{4, kFractionOne / 2}));
  EXPECT_EQ(json.time("n"), std::nullopt);
  EXPECT_EQ(json.time("absent"), std::nullopt);
  EXPECT_THROW((void)json.time("s"), BadLine);
  EXPECT_THROW((void)json.time("a"), BadLine);
  EXPECT_EQ(json.keys(), (std::vector<std::string>{"s", "i", "r", "t", "n", "a", "q", "u"}));
  EXPECT_THROW(json.parse("[1]"), BadLine);
}

TEST(JsonLine, ReadsPythonDicts) {
  JsonLine json;
  json.parse(R"({u'user': u'it\'s', "n": 3, 'date': '2018-07-07', 'x': None})");
  EXPECT_EQ(json.text("user"), "it's");
  EXPECT_EQ(json.text("n"), "3");
  EXPECT_EQ(json.text("x"), std::nullopt);
  EXPECT_EQ(json.time("date"), (ExactTime{1530921600, 0, true}));
  for (const char* line : {"{'a': }", "{u'a': 1", "{'a'}"}) EXPECT_THROW(json.parse(line), BadLine);
}

TEST(TextOf, JoinsWhatIsText) {
  EXPECT_EQ(text_of(Json::parse(R"([["a","b"],[],{"x":1},null,"",3,"c"])"), ", "), "a, b, 3, c");
  EXPECT_EQ(text_of(Json("a"), ", "), "a");
  EXPECT_EQ(text_of(Json(true), ", "), "");
}

TEST(PythonLiteral, GivesTheSameAsJson) {
  EXPECT_EQ(parse_python_literal("{'a': \"it's\", 'b': [1, -2.5, (3,)], 'c': None, 'd': True, "
                                 "'e': False, 'f': 'x\\n\\'y\\u00e9'}"),
            Json::parse(R"({"a":"it's","b":[1,-2.5,[3]],"c":null,"d":true,"e":false,
                            "f":"x\n'yé"})"));
  for (const char* text : {"", "{'a'", "{'a': }", "[1, 2", "'open", "nothing", "{'a': 1} x"})
    EXPECT_THROW((void)parse_python_literal(text), BadLine) << text;
}

}  // namespace
}  // namespace tandem
