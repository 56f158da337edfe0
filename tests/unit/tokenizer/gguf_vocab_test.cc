// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "core/json.h"
#include "formats/gguf.h"
#include "support/temporary_folder.h"
#include "tokenizer/files.h"
#include "tokenizer/gguf_vocab.h"
#include "tokenizer/loaders.h"

namespace tandem {
namespace {

// Writes GGUF by hand: little-endian numbers, texts with 64-bit lengths.
class GgufText {
 public:
  template <typename T>
  GgufText& number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  GgufText& text(std::string_view value) {
    number<uint64_t>(value.size());
    bytes += value;
    return *this;
  }
  GgufText& key_text(std::string_view key, std::string_view value) {
    return text(key).number<uint32_t>(8).text(value);
  }
  GgufText& key_flag(std::string_view key, bool value) {
    return text(key).number<uint32_t>(7).number(static_cast<uint8_t>(value));
  }
  GgufText& key_array(std::string_view key, uint32_t type, uint64_t count) {
    return text(key).number<uint32_t>(9).number(type).number(count);
  }
  std::string bytes;
};

// SentencePiece-like: "ab" joins before "▁a". more: keys that are still put behind it.
GgufText small_vocab(uint64_t more = 0) {
  GgufText out;
  out.bytes = "GGUF";
  out.number<uint32_t>(3).number<uint64_t>(0).number<uint64_t>(5 + more);
  out.key_text("tokenizer.ggml.model", "llama");
  out.key_array("tokenizer.ggml.tokens", 8, 7);
  for (const char* piece : {"<unk>", "<s>", "▁", "a", "b", "ab", "▁a"}) out.text(piece);
  out.key_array("tokenizer.ggml.scores", 6, 7);
  for (const float score : {0.f, 0.f, -5.f, -6.f, -7.f, -1.f, -2.f}) out.number(score);
  out.key_array("tokenizer.ggml.token_type", 5, 7);
  for (const int32_t type : {2, 3, 1, 1, 1, 1, 1}) out.number(type);
  out.text("tokenizer.ggml.unknown_token_id").number<uint32_t>(4).number<uint32_t>(0);
  return out;
}

class GgufVocab : public testing::Test {
 protected:
  std::unique_ptr<PipelineTokenizer> load(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return load_gguf_tokenizer(path_);
  }
  const test::TemporaryFolder folder_;
  const fs::path path_ = folder_ / "x.gguf";
};

TEST_F(GgufVocab, BestScoreMergesFirst) {
  const auto tokenizer = load(small_vocab().bytes);
  EXPECT_EQ(tokenizer->encode("ab a"), (std::vector<int32_t>{2, 5, 6}));
  EXPECT_EQ(tokenizer->encode("<s>z").front(), 2);  // user text: no special token
  EXPECT_EQ(tokenizer->encode("<s>a", {.parse_special = true}), (std::vector<int32_t>{1, 6}));
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{2, 5, 6}), "ab a");
}

TEST_F(GgufVocab, TheFlagSaysWhetherBosGoesBeforeAText) {
  const auto with = [&](std::optional<bool> flag) {
    GgufText vocab = small_vocab(flag ? 2 : 1);
    vocab.text("tokenizer.ggml.bos_token_id").number<uint32_t>(4).number<uint32_t>(1);
    if (flag) vocab.key_flag("tokenizer.ggml.add_bos_token", *flag);
    return load(vocab.bytes);
  };
  const std::vector<int32_t> plain = {2, 5}, framed = {1, 2, 5};
  EXPECT_EQ(with(true)->encode("ab", {.add_special = true}), framed);
  EXPECT_EQ(with({})->encode("ab", {.add_special = true}), framed);
  EXPECT_FALSE(with({})->special_ids().no_bos);
  EXPECT_EQ(with(false)->encode("ab", {.add_special = true}), plain);
  EXPECT_TRUE(with(false)->special_ids().no_bos);
}

// A folder made of the file keeps what it says, and has its fingerprint.
TEST_F(GgufVocab, TheFilesOfAFolderKeepFlagsAndChatTemplates) {
  GgufText vocab = small_vocab(5);
  vocab.text("tokenizer.ggml.bos_token_id").number<uint32_t>(4).number<uint32_t>(1);
  vocab.key_flag("tokenizer.ggml.add_bos_token", false);
  vocab.key_text("tokenizer.chat_template", "{{ a }}");
  vocab.key_array("tokenizer.chat_templates", 8, 1).text("rag");
  vocab.key_text("tokenizer.chat_template.rag", "{{ b }}");
  load(vocab.bytes);
  const fs::path folder = path_.string() + ".folder";
  fs::create_directories(folder);
  copy_tokenizer(path_, folder);
  EXPECT_EQ(tokenizer_fingerprint(path_), tokenizer_fingerprint(folder));
  EXPECT_TRUE(load_tokenizer(folder)->special_ids().no_bos);
  const Json config = read_json(folder / "tokenizer_config.json");
  EXPECT_EQ(config.at("add_bos_token"), false);
  ASSERT_EQ(config.at("chat_template").size(), 2u);
  EXPECT_EQ(config.at("chat_template")[0], (Json{{"name", "default"}, {"template", "{{ a }}"}}));
  EXPECT_EQ(config.at("chat_template")[1], (Json{{"name", "rag"}, {"template", "{{ b }}"}}));
  fs::remove_all(folder);
}

TEST_F(GgufVocab, EveryPrefixOfAFileIsAnError) {
  const std::string bytes = small_vocab().bytes;
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_THROW(load(bytes.substr(0, n)), FormatError) << n;
}

TEST_F(GgufVocab, HostileLengthsAreErrorsBeforeTheyAreMemory) {
  const std::string bytes = small_vocab().bytes;
  // Any eight bytes may claim to be a length: none may crash or allocate what it claims.
  for (size_t at = 4; at + 8 <= bytes.size(); ++at) {
    std::string broken = bytes;
    broken.replace(at, 8, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 8);
    try {
      load(broken)->encode("ab a");
    } catch (const Error&) {
    }
  }
  GgufText many;
  many.bytes = "GGUF";
  many.number<uint32_t>(3).number<uint64_t>(0).number<uint64_t>(uint64_t{1} << 60);
  EXPECT_THROW(load(many.bytes), FormatError);
  GgufText wide;
  wide.bytes = "GGUF";
  wide.number<uint32_t>(3).number<uint64_t>(0).number<uint64_t>(1);
  wide.key_array("tokens", 8, uint64_t{1} << 61);
  EXPECT_THROW(load(wide.bytes), FormatError);
}

TEST_F(GgufVocab, ScoresAndTypesMustFitTheTokens) {
  std::string bytes = small_vocab().bytes;
  const size_t at = bytes.find("tokenizer.ggml.scores");
  bytes.replace(at, 21, "tokenizer.ggml.scorez");
  EXPECT_THROW(load(bytes), FormatError);
}

TEST(LoadTokenizer, TellsWhatItDoesNotKnow) {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "x";
  for (const char* content : {"", "hello", "\x0A\x05zzzz", "QQ== -1\n", "QQ== 99999999\n"}) {
    write_file(path, std::string_view(content));
    EXPECT_THROW(load_tokenizer(path), FormatError) << content;
  }
  fs::remove(path);
  EXPECT_THROW(load_tokenizer(path), IoError);
}

// tokenizer.json made from a vocabulary gives the ids that the vocabulary itself gives.
TEST(GgufVocabFiles, TheirTokenizerJsonEncodesAlike) {
  const std::vector<fs::path> files = {"../shared/models/gguf-vocabs/ggml-vocab-phi-3.gguf",
                                       "../shared/models/gguf-vocabs/ggml-vocab-gpt-2.gguf",
                                       "../shared/oracles/gguf/tiny-f16.gguf"};
  int checked = 0;
  for (const fs::path& file : files) {
    if (!fs::exists(file)) continue;
    SCOPED_TRACE(file.string());
    ++checked;
    const test::TemporaryFolder folder;
    write_gguf_tokenizer(read_gguf_vocabulary(file), folder);
    const auto want = load_gguf_tokenizer(file);
    const auto got = load_tokenizer(folder);
    EXPECT_EQ(got->bos_id(), want->bos_id());
    EXPECT_EQ(got->eos_id(), want->eos_id());
    for (const std::string text :
         {"", "Toy Story (1995)", "  two spaces\tand a tab", "caf\u00e9 \u4f60\u597d \U0001F600",
          "### Response:\n", "it's 1234567 o'clock\n\n\n x", "<s> is text </s>"}) {
      const std::vector<int32_t> ids = want->encode(text, {.add_special = true});
      EXPECT_EQ(got->encode(text, {.add_special = true}), ids) << text;
      EXPECT_EQ(got->encode(text, {.parse_special = true}),
                want->encode(text, {.parse_special = true}))
          << text;
      EXPECT_EQ(got->decode(ids), want->decode(ids)) << text;
    }
  }
  if (checked == 0) GTEST_SKIP() << "../shared has no GGUF files here";
}

}  // namespace
}  // namespace tandem
