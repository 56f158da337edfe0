// SPDX-License-Identifier: Apache-2.0
// llama.cpp's test vectors: texts divided by a marker line, and one line of ids for each.
#include <gtest/gtest.h>
#include <zlib.h>

#include <charconv>
#include <sstream>

#include "support/temporary_folder.h"
#include "tokenizer/loaders.h"

namespace tandem {
namespace {

const fs::path kModels = "../shared/models";

std::vector<std::string> read_texts(const fs::path& path) {
  const std::string all = read_file(path);
  const std::string marker = "\n__ggml_vocab_test__\n";
  std::vector<std::string> texts;
  size_t begin = 0;
  for (size_t end; (end = all.find(marker, begin)) != std::string::npos;
       begin = end + marker.size()) {
    texts.push_back(all.substr(begin, end - begin));
  }
  // What stands behind the last marker is a text too, unless it is nothing.
  if (begin < all.size()) texts.push_back(all.substr(begin));
  return texts;
}

std::vector<std::vector<int32_t>> read_ids(const fs::path& path) {
  std::istringstream all(read_file(path));
  std::vector<std::vector<int32_t>> lines;
  for (std::string line; std::getline(all, line);) {
    std::istringstream numbers(line);
    lines.emplace_back();
    for (int32_t id; numbers >> id;) lines.back().push_back(id);
  }
  return lines;
}

void expect_golden(const Tokenizer& tokenizer, const fs::path& vectors) {
  const auto texts = read_texts(vectors.string() + ".inp");
  const auto ids = read_ids(vectors.string() + ".out");
  ASSERT_GE(texts.size(), 40u);
  ASSERT_EQ(texts.size(), ids.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer.encode(texts[i]), ids[i]) << "line " << i + 1 << ": " << texts[i];
  }
}

std::string gunzip(const fs::path& path) {
  std::string text, part(1 << 16, '\0');
  gzFile file = gzopen(path.c_str(), "rb");
  for (int n; (n = gzread(file, part.data(), static_cast<unsigned>(part.size()))) > 0;)
    text.append(part, 0, static_cast<size_t>(n));
  gzclose(file);
  return text;
}

class Golden : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kModels)) GTEST_SKIP() << kModels << " is not here";
  }
  const test::TemporaryFolder folder_;
};

TEST_F(Golden, Phi3SentencePieceFromGguf) {
  const fs::path path = kModels / "gguf-vocabs/ggml-vocab-phi-3.gguf";
  expect_golden(*load_tokenizer(path), path);
}

TEST_F(Golden, Gpt2FromGguf) {
  const fs::path path = kModels / "gguf-vocabs/ggml-vocab-gpt-2.gguf";
  expect_golden(*load_tokenizer(path), path);
}

TEST_F(Golden, Gpt2FromItsOwnFiles) {
  expect_golden(*load_tokenizer(kModels / "gpt2"), kModels / "gguf-vocabs/ggml-vocab-gpt-2.gguf");
}

TEST_F(Golden, Gpt2FromRanks) {
  expect_golden(*load_tokenizer(kModels / "tiktoken/r50k_base.tiktoken"),
                kModels / "gguf-vocabs/ggml-vocab-gpt-2.gguf");
}

TEST_F(Golden, Qwen2FromVocabAndMerges) {
  for (const char* name : {"vocab.json", "merges.txt"}) {
    write_file(folder_ / name, gunzip(kModels / "qwen3" / (std::string(name) + ".gz")));
  }
  write_file(folder_ / "tokenizer_config.json",
             std::string_view(R"({"tokenizer_class": "Qwen2Tokenizer"})"));
  expect_golden(*load_tokenizer(folder_), kModels / "qwen3/ggml-vocab-qwen2.gguf");
}

TEST_F(Golden, TextSurvivesEveryTokenizer) {
  for (const char* name : {"gguf-vocabs/ggml-vocab-phi-3.gguf", "gguf-vocabs/ggml-vocab-gpt-2.gguf",
                           "gpt2", "tiktoken/cl100k_base.tiktoken", "mistral/tokenizer.model.v1",
                           "mistral/mistral_instruct_tokenizer_240323.model.v3"}) {
    SCOPED_TRACE(name);
    const auto tokenizer = load_tokenizer(kModels / name);
    for (const std::string& text : read_texts(kModels / "gguf-vocabs/ggml-vocab-gpt-2.gguf.inp")) {
      const Encoding encoding = tokenizer->encode_with_offsets(text);
      EXPECT_EQ(encoding.ids, tokenizer->encode(text));
      EXPECT_EQ(tokenizer->decode(encoding.ids), text);
    }
  }
}

}  // namespace
}  // namespace tandem
