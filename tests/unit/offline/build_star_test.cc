// SPDX-License-Identifier: Apache-2.0
#include "offline/build_star.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>

#include "core/error.h"
#include "core/interrupt.h"
#include "formats/run_folder.h"
#include "models/hllm_files.h"
#include "offline/count_cooccurrence.h"
#include "offline/vector_file.h"
#include "rank/catalogue.h"
#include "support/named_dataset.h"
#include "support/random_hllm.h"
#include "support/random_values.h"
#include "support/temporary_folder.h"
#include "tokenizer/trainer.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The last two items of each user are held out; of u3, who has two, none is. Train interactions:
// u0: a b (a twice), u1: a b c, u2: b, u3: c d.
const std::vector<std::vector<std::string>> kSequences = {
    {"a", "b", "a", "c", "d"}, {"b", "a", "c", "d", "e"}, {"b", "e", "a"}, {"c", "d"}};

TEST(CountCooccurrence, CountsTrainInteractionsByHand) {
  const test::TemporaryFolder folder;
  const Dataset dataset = test::named_dataset(folder / "data", kSequences);  // a..e are 1..5
  ThreadPool one(1), two(2);
  const Cooccurrence found = count_cooccurrence(dataset, two);
  ASSERT_EQ(found.num_items(), 5);
  // Users: a 2, b 3, c 2, d 1, e none.
  const auto root = [](float x) { return std::sqrt(x); };
  EXPECT_THAT(found.row(1).items, ElementsAre(1, 2, 3));
  EXPECT_THAT(found.row(1).similarities,
              ElementsAre(1, testing::FloatEq(2 / root(6)), testing::FloatEq(1 / root(4))));
  EXPECT_THAT(found.row(2).items, ElementsAre(1, 2, 3));
  EXPECT_THAT(found.row(2).similarities,
              ElementsAre(testing::FloatEq(2 / root(6)), 1, testing::FloatEq(1 / root(6))));
  EXPECT_THAT(found.row(3).items, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(found.row(3).similarities,
              ElementsAre(0.5f, testing::FloatEq(1 / root(6)), 1, testing::FloatEq(1 / root(2))));
  EXPECT_THAT(found.row(4).items, ElementsAre(3, 4));
  EXPECT_THAT(found.row(5).items, ElementsAre());  // held out only

  const fs::path first = folder / "1", second = folder / "2";
  found.write(first);
  count_cooccurrence(dataset, one).write(second);
  EXPECT_EQ(read_file(first), read_file(second));
}

class BuildStar : public testing::Test {
 protected:
  // A file of vectors of these ids, width 3.
  fs::path vectors_of(const std::vector<std::string_view>& ids, const char* name) {
    const fs::path path = folder_ / name;
    const std::vector<float> values = test::random_values(std::ssize(ids) * 3, 4);
    write_vectors(path, ItemMatrixType::kFloat32, values, 3, ids);
    return path;
  }
  fs::path build(const StarSource& source, const Dataset& dataset, const char* name,
                 StarConfig config = {}) {
    const fs::path run = folder_ / name;
    build_star(config, source, dataset, Output(run, kRunFolder, true), pool_);
    return run;
  }
  // Of the items, by their ids, after a history of ids.
  std::map<std::string, float> scores(const engine::Retriever& retriever, const Dataset& dataset,
                                      const std::vector<std::string>& history) {
    std::vector<int32_t> items;
    for (const std::string& id : history) items.push_back(dataset.find_item(id).value());
    const engine::History one[] = {items};
    const std::vector<float> all = retriever.score(one, engine::SeenItems::kNone, pool_);
    std::map<std::string, float> result;
    for (int32_t item = 1; item <= dataset.num_items(); ++item)
      result[std::string(dataset.item_id(item))] = all[item];
    return result;
  }

  test::TemporaryFolder folder_;
  Dataset dataset_ = test::named_dataset(folder_ / "data", kSequences);
  ThreadPool pool_{2};
};

TEST_F(BuildStar, ARunIsOpenedAndScoresByHand) {
  const fs::path file = vectors_of({"e", "c", "other", "a", "b"}, "v.safetensors");
  const fs::path run = build({.vectors = file}, dataset_, "run", {.semantic_weight = 0.25});
  EXPECT_TRUE(kRunFolder.recognises(run));
  EXPECT_EQ(read_json(run / "run.json").at("verb"), "train star");
  const OpenedRetriever opened = open_retriever(run, dataset_);
  EXPECT_EQ(opened.match.proof, CatalogueMatch::Proof::kFingerprint);
  EXPECT_EQ(opened.retriever->config().model_type, "star");
  const NamedVectors named = read_vectors(file);
  const auto cosine = [&](size_t i, size_t j) {
    double dot = 0, ii = 0, jj = 0;
    for (size_t d = 0; d < 3; ++d) {
      const double x = named.values[i * 3 + d], y = named.values[j * 3 + d];
      dot += x * y, ii += x * x, jj += y * y;
    }
    return dot / std::sqrt(ii * jj);
  };
  // b is newer than c.
  auto found = scores(*opened.retriever, dataset_, {"c", "b"});
  EXPECT_NEAR(found["a"],
              0.5 * (0.25 * cosine(3, 4) + 0.75 * 2 / std::sqrt(6.0) +
                     0.7 * (0.25 * cosine(3, 1) + 0.75 * 0.5)),
              1e-6);
  EXPECT_NEAR(found["d"], 0.5 * 0.7 * 0.75 / std::sqrt(2.0), 1e-6);  // no vector
  EXPECT_NEAR(found["e"], 0.5 * 0.25 * (cosine(0, 4) + 0.7 * cosine(0, 1)), 1e-6);
}

TEST_F(BuildStar, AnotherImportIsMatchedByIds) {
  const fs::path run =
      build({.vectors = vectors_of({"a", "b", "c", "d", "e"}, "v.jsonl")}, dataset_, "run");
  // "aa" is new and moves the numbers behind it, e is gone.
  const Dataset later = test::named_dataset(
      folder_ / "later", {{"a", "aa", "b", "c", "d"}, {"b", "c", "a", "d"}, {"d", "b", "c"}});
  const OpenedRetriever opened = open_retriever(run, later);
  EXPECT_EQ(opened.match.unknown, 1);
  EXPECT_EQ(opened.match.left_out, 1);
  EXPECT_FALSE(opened.retriever->knows(later.find_item("aa").value()));
  auto wanted = scores(*open_retriever(run, dataset_).retriever, dataset_, {"a", "c", "b"});
  auto found = scores(*opened.retriever, later, {"a", "c", "aa", "b"});
  EXPECT_EQ(found["aa"], engine::kExcludedScore);
  for (const char* id : {"a", "b", "c", "d"}) EXPECT_EQ(found[id], wanted[id]) << id;
}

TEST_F(BuildStar, TheSameBitsOnAnyNumberOfThreadsAndFromAMatrix) {
  const fs::path first =
      build({.vectors = vectors_of({"a", "b", "c", "d"}, "v.safetensors")}, dataset_, "first");
  ThreadPool one(1);
  const fs::path second = folder_ / "second";
  build_star({}, {.vectors = first / kItemMatrixFile}, dataset_, Output(second, kRunFolder, false),
             one);
  for (const char* file : {kItemMatrixFile, kCooccurrenceFile, kStarConfigFile, "items.bin"})
    EXPECT_EQ(read_file(first / file), read_file(second / file)) << file;
}

TEST_F(BuildStar, ABaseReadsTheTexts) {
  const fs::path base = folder_ / "base";
  test::LlamaReference::random(test::small_tower(16, 400), 3).write(base);
  BpeTrainer trainer(TokenizerStyle::kByteLevel);
  trainer.add_text("title: Title of a");
  write_tokenizer_files(base, trainer.train(300, {}), TokenizerStyle::kByteLevel);
  const ItemPromptConfig text{.prompt = "Film ", .keys = {"title"}, .max_tokens = 30};
  const fs::path run = build({.base = base, .text = text}, dataset_, "run");
  const StarFiles files = open_star(run);
  EXPECT_EQ(files.config.width, 16);
  EXPECT_EQ(read_json(run / "run.json")["text"]["max_tokens"], 30);
  // As a run of HLLM whose Item LLM is the base and pools by the mean makes them.
  const fs::path hllm = folder_ / "hllm";
  test::write_random_hllm(hllm,
                          {.num_items = 5,
                           .width = 16,
                           .max_length = 5,
                           .max_text_length = 30,
                           .item_prompt = "Film ",
                           .pooling = HllmPooling::kMean},
                          16, 400, 3);
  write_tokenizer_files(hllm / kItemTowerFolder, trainer.train(300, {}),
                        TokenizerStyle::kByteLevel);
  const StarFiles other = open_star(build({.base = hllm}, dataset_, "of-hllm"));
  EXPECT_EQ(files.vectors->facts(), other.vectors->facts());
  std::vector<float> a(16), b(16), first(16);
  files.vectors->read(1, first.data());
  for (int64_t item = 1; item <= 5; ++item) {
    files.vectors->read(item, a.data());
    other.vectors->read(item, b.data());
    EXPECT_EQ(a, b) << item;
    EXPECT_EQ(a == first, item == 1) << "two titles of one vector";
  }
  EXPECT_THROW(build({.base = hllm, .text = text}, dataset_, "none"), UsageError);
}

TEST_F(BuildStar, RefusesSourcesThatAreNone) {
  const auto refusal = [&](const StarSource& source, StarConfig config = {}) -> std::string {
    try {
      build(source, dataset_, "none", config);
    } catch (const Error& error) {
      EXPECT_FALSE(fs::exists(folder_ / "none"));
      return error.what();
    }
    return "taken";
  };
  const fs::path file = vectors_of({"a", "b"}, "v.jsonl");
  EXPECT_THAT(refusal({}), HasSubstr("say --base or --vectors"));
  EXPECT_THAT(refusal({.base = file, .vectors = file}), HasSubstr("say --base or --vectors"));
  EXPECT_THAT(refusal({.vectors = file, .text = ItemPromptConfig{}}), HasSubstr("--text-*"));
  EXPECT_THAT(refusal({.vectors = vectors_of({"x", "y"}, "w.jsonl")}),
              HasSubstr("none of its 2 ids is an item of"));
  EXPECT_THAT(refusal({.vectors = file}, {.recency = 2}), HasSubstr("recency is 2"));
  const InterruptGuard guard;
  std::raise(SIGINT);
  EXPECT_THAT(refusal({.vectors = file}), HasSubstr("stopped"));
}

}  // namespace
}  // namespace tandem
