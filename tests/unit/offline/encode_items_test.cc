// SPDX-License-Identifier: Apache-2.0
#include "offline/encode_items.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "core/error.h"
#include "core/interrupt.h"
#include "rank/hllm_catalogue.h"
#include "support/named_dataset.h"
#include "support/random_hllm.h"
#include "support/temporary_folder.h"
#include "tokenizer/trainer.h"

namespace tandem {
namespace {

using testing::HasSubstr;

// Ten items, i0 to i9; a later import has "a" in place of i7.
const std::vector<std::vector<std::string>> kTrained = {{"i0", "i1", "i2", "i3", "i4"},
                                                        {"i5", "i6", "i7", "i8", "i9"}};
const std::vector<std::vector<std::string>> kLater = {{"i0", "i1", "i2", "i3", "i4"},
                                                      {"i5", "i6", "a", "i8", "i9"}};

class EncodeItems : public testing::Test {
 protected:
  EncodeItems() { write_run("run", 4); }

  fs::path write_run(const char* name, uint64_t seed) {
    const fs::path run = folder_ / name;
    test::write_random_hllm(
        run, {.num_items = 10, .width = 16, .max_length = 5, .max_text_length = 9}, 16, 400, seed);
    BpeTrainer trainer(TokenizerStyle::kByteLevel);
    trainer.add_text("title: Title of i1");
    write_tokenizer_files(run / kItemTowerFolder, trainer.train(300, {}),
                          TokenizerStyle::kByteLevel);
    return run;
  }
  EncodedItems encode(ItemMatrixType type = ItemMatrixType::kFloat32, int64_t part = 0,
                      int64_t parts = 1) {
    return encode_items(run_, trained_, {.type = type, .part = part, .parts = parts, .chunk = 4},
                        pool_);
  }
  std::string matrix_bytes() const { return read_file(run_ / kItemMatrixFile); }

  test::TemporaryFolder folder_;
  fs::path run_ = folder_ / "run";
  Dataset trained_ = test::named_dataset(folder_ / "trained", kTrained);
  ThreadPool pool_{2};
};

TEST_F(EncodeItems, SharesAndPassesThatEndedGiveTheSameBits) {
  const EncodedItems whole = encode();
  EXPECT_EQ(whole.chunks, 3);  // eleven rows
  EXPECT_TRUE(whole.written);
  EXPECT_FALSE(fs::exists(run_ / kItemPartsFolder));
  const std::string wanted = matrix_bytes();
  fs::remove(run_ / kItemMatrixFile);

  EXPECT_FALSE(encode(ItemMatrixType::kFloat32, 1, 2).written);
  EXPECT_FALSE(encode(ItemMatrixType::kFloat32, 0, 2).written);
  EXPECT_FALSE(fs::exists(run_ / kItemMatrixFile));
  fs::remove(run_ / kItemPartsFolder / "000002.safetensors");  // as if the pass had ended before it
  const EncodedItems again = encode();
  EXPECT_EQ(again.done_before, 2);
  EXPECT_EQ(matrix_bytes(), wanted);
}

TEST_F(EncodeItems, ChunksOfAnotherTypeOrDataSetDoNotCount) {
  encode(ItemMatrixType::kFloat32, 0, 2);
  EXPECT_EQ(encode(ItemMatrixType::kInt8, 0, 2).done_before, 0);
  EXPECT_EQ(encode(ItemMatrixType::kInt8, 0, 2).done_before, 2);
  const Dataset later = test::named_dataset(folder_ / "later", kLater);
  EXPECT_EQ(
      encode_items(run_, later, {.type = ItemMatrixType::kInt8, .parts = 2, .chunk = 4}, pool_)
          .done_before,
      0);
}

TEST_F(EncodeItems, ASignalEndsThePassBetweenChunks) {
  const InterruptGuard guard;
  std::raise(SIGINT);
  EXPECT_THROW(encode(), Interrupted);
  EXPECT_FALSE(fs::exists(run_ / kItemMatrixFile));
}

TEST_F(EncodeItems, RowsAreTheVectorsOfTheTexts) {
  encode();
  const ItemMatrix matrix(run_ / kItemMatrixFile);
  ASSERT_EQ(matrix.rows(), 11);
  EXPECT_EQ(matrix.item_id(8), "i7");
  const HllmFiles files = open_hllm(run_);
  const std::vector<int32_t> items = {0, 8};
  const engine::Matrix wanted =
      encode_texts(engine::ItemEncoder(files), ItemTexts(trained_, item_prompt_of(files.config)),
                   *load_tokenizer(run_ / kItemTowerFolder), items, pool_);
  std::vector<float> row(16);
  for (int64_t i = 0; i < 2; ++i) {
    matrix.read(items[i], row.data());
    for (int64_t d = 0; d < 16; ++d) EXPECT_NEAR(row[d], wanted.row(i)[d], 1e-5);
  }
}

// Whatever the matrix has, the run answers the same: rows are matched by id, the rest is encoded.
TEST_F(EncodeItems, AnotherImportGetsTheSameScores) {
  const Dataset later = test::named_dataset(folder_ / "later", kLater);
  const auto scores_of = [&](const OpenedRetriever& opened) {
    std::vector<int32_t> history;
    for (const char* id : {"i1", "i9", "i3"}) history.push_back(later.find_item(id).value());
    const engine::History one(history);
    return opened.retriever->score({&one, 1}, engine::SeenItems::kNone, pool_);
  };
  const OpenedRetriever without = open_retriever(run_, later);
  EXPECT_EQ(without.match.encoded, 10);
  const std::vector<float> wanted = scores_of(without);
  encode();  // of the first import
  const OpenedRetriever opened = open_retriever(run_, later);
  EXPECT_EQ(opened.match.encoded, 1);
  EXPECT_EQ(opened.match.unknown, 0);
  EXPECT_EQ(opened.match.left_out, 1);
  EXPECT_THAT(opened.match.describe(), HasSubstr("knows 9 of 10 items by their ids and 1 by"));
  const std::vector<float> found = scores_of(opened);
  for (size_t item = 0; item < wanted.size(); ++item)
    EXPECT_NEAR(found[item], wanted[item], 1e-5) << item;
  EXPECT_EQ(open_retriever(run_, trained_).match.proof, CatalogueMatch::Proof::kFingerprint);
}

TEST_F(EncodeItems, TheMatrixOfAnotherModelIsRefused) {
  encode();
  const fs::path other = write_run("other", 5);
  fs::copy_file(run_ / kItemMatrixFile, other / kItemMatrixFile);
  try {
    open_retriever(other, trained_);
    FAIL() << "taken";
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), HasSubstr("was made by another Item LLM"));
  }
}

}  // namespace
}  // namespace tandem
