// SPDX-License-Identifier: Apache-2.0
#include "rank/item_prompt.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "support/import_folder.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

using Row = std::vector<std::string>;

ItemTexts texts_of(const std::vector<Row>& rows, std::vector<std::string> keys, bool pandas) {
  std::vector<ItemFields> items;
  for (const Row& row : rows) items.push_back({.in_source = !row.empty(), .values = row});
  return ItemTexts(items, {.prompt = "Say: ", .keys = std::move(keys), .pandas = pandas});
}

TEST(ItemTexts, FieldsFollowEachOtherWithNothingBetween) {
  const ItemTexts texts =
      texts_of({{"Heat", "Crime"}, {"", "Drama"}, {"", ""}, {}}, {"title", "genres"}, false);
  EXPECT_EQ(texts.num_items(), 4);
  EXPECT_EQ(texts.text(0), "");
  EXPECT_EQ(texts.text(1), "Say: title: Heatgenres: Crime");
  EXPECT_EQ(texts.text(2), "Say: genres: Drama");
  EXPECT_EQ(texts.text(3), "Say: ");  // known, with nothing to say
  EXPECT_EQ(texts.text(4), "");       // not known
}

TEST(ItemTexts, WithoutPandasAFieldIsWhatTheSourceHas) {
  const ItemTexts texts = texts_of({{"None", "0"}, {"42", ""}}, {"title", "year"}, false);
  EXPECT_EQ(texts.text(1), "Say: title: Noneyear: 0");
  EXPECT_EQ(texts.text(2), "Say: title: 42");
}

TEST(ItemTexts, PandasLosesItsWordsForAGapAndZeros) {
  const ItemTexts texts = texts_of({{"None", "0"}, {"Heat", "1995"}}, {"title", "year"}, true);
  EXPECT_EQ(texts.text(1), "Say: ");
  EXPECT_EQ(texts.text(2), "Say: title: Heatyear: 1995");
}

TEST(ItemTexts, PandasWritesWholeNumbersAsFractionsWhereOneIsMissing) {
  const ItemTexts texts = texts_of({{"2013"}, {""}, {"-7"}, {"0"}}, {"year"}, true);
  EXPECT_EQ(texts.text(1), "Say: year: 2013.0");
  EXPECT_EQ(texts.text(2), "Say: ");
  EXPECT_EQ(texts.text(3), "Say: year: -7.0");
  EXPECT_EQ(texts.text(4), "Say: ");
  EXPECT_EQ(texts.text_of({.in_source = true, .values = {"1999"}}), "Say: year: 1999.0");
}

TEST(ItemTexts, PandasWritesNumbersAsItReadThem) {
  EXPECT_EQ(texts_of({{"007"}, {"8"}}, {"n"}, true).text(1), "Say: n: 7");
  EXPECT_EQ(texts_of({{"1.50"}, {"8"}}, {"n"}, true).text(1), "Say: n: 1.5");
  EXPECT_EQ(texts_of({{"1.50"}, {"8"}}, {"n"}, true).text(2), "Say: n: 8.0");
  EXPECT_EQ(texts_of({{"1e3"}, {"1e22"}}, {"n"}, true).text(2), "Say: n: 1e+22");
  EXPECT_EQ(texts_of({{"007"}, {"Bond"}}, {"n"}, true).text(1), "Say: n: 007");  // a column of text
  EXPECT_EQ(texts_of({{"true"}, {"FALSE"}}, {"n"}, true).text(1), "Say: n: True");
  EXPECT_EQ(texts_of({{"true"}, {"FALSE"}}, {"n"}, true).text(2), "Say: ");
}

TEST(ItemTexts, ConfigurationIsChecked) {
  EXPECT_THROW(texts_of({}, {}, false), ConfigError);
  EXPECT_THROW(texts_of({}, {"title", "title"}, false), ConfigError);
  EXPECT_THROW(texts_of({{"only one"}}, {"title", "genres"}, false), ShapeError);
  EXPECT_THROW(ItemTexts({}, {.prompt = "", .keys = {"title"}, .max_tokens = 0}), ConfigError);
}

TEST(ItemTexts, EndsWithThePlaceholderAndLosesItsEnd) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  const Dataset dataset = test::tiny_dataset(folder);
  const auto tokenizer = load_tokenizer(test::tiny_base(folder, pool));
  const ItemTexts whole(dataset, {.prompt = "Item: "}),
      cut(dataset, {.prompt = "Item: ", .max_tokens = 4});
  EXPECT_EQ(whole.text(3), "Item: title: Film number 3");
  std::vector<int32_t> wanted = tokenizer->encode(whole.text(3), {.add_special = true});
  ASSERT_GT(wanted.size(), 4u);
  wanted.push_back(kItemPlaceholder);
  EXPECT_EQ(whole.ids(3, *tokenizer), wanted);
  wanted.resize(4);
  wanted.push_back(kItemPlaceholder);
  EXPECT_EQ(cut.ids(3, *tokenizer), wanted);
  EXPECT_EQ(whole.ids(0, *tokenizer).back(), kItemPlaceholder);
  EXPECT_NE(whole.fingerprint(), cut.fingerprint());
}

class ItemTextsOfDataset : public test::ImportFolder {};

TEST_F(ItemTextsOfDataset, TakesFieldsOfTheImportAndNamesTheNearest) {
  put("interactions/s.csv", "item_id,user_id,timestamp\nb,u,1\na,u,2\nc,u,3\n");
  put("information/s.csv", "item_id,title,genres\na,Heat,Crime\nb,,Drama\n");
  import(in(), "hllm");
  const Dataset dataset = Dataset::open(folder_ / "out");
  const ItemTexts texts(dataset, {.prompt = "P ", .keys = {"title", "genres"}});
  EXPECT_EQ(texts.text(1), "P title: Heatgenres: Crime");
  EXPECT_EQ(texts.text(2), "P genres: Drama");
  EXPECT_EQ(texts.text(3), "");
  try {
    ItemTexts(dataset, {.prompt = "", .keys = {"title", "genre"}});
    FAIL() << "no item has a field 'genre'";
  } catch (const ConfigError& error) {
    EXPECT_TRUE(test::holds(error.what(), "did you mean 'genres'?")) << error.what();
  }
}

}  // namespace
}  // namespace tandem
