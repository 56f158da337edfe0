// SPDX-License-Identifier: Apache-2.0
#include "engine/llama/generate.h"

#include <gtest/gtest.h>

#include <cstring>

#include "models/llama2c.h"
#include "support/temporary_folder.h"

namespace tandem::engine {
namespace {

const fs::path kStories = "../shared/models/stories260K";

// The pieces of llama2.c's tokenizer file: int32 longest, then {float score, int32 length, bytes}.
std::vector<std::string> read_pieces(const fs::path& path) {
  const std::string file = read_file(path);
  std::vector<std::string> pieces;
  size_t at = 4;
  while (at + 8 <= file.size()) {
    int32_t length = 0;
    std::memcpy(&length, file.data() + at + 4, 4);
    pieces.push_back(file.substr(at + 8, static_cast<size_t>(length)));
    at += 8 + static_cast<size_t>(length);
  }
  return pieces;
}

// As llama2.c prints: no space after BOS, <0x0A> is a byte.
std::string decode(const std::vector<std::string>& pieces, int32_t before, int32_t token) {
  std::string piece = pieces.at(static_cast<size_t>(token));
  if (before == 1 && piece.starts_with(' ')) piece.erase(0, 1);
  if (piece.size() == 6 && piece.starts_with("<0x") && piece[5] == '>')
    return std::string(1, static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16)));
  return piece;
}

TEST(Llama2c, StoriesModelWritesTheDocumentedStory) {
  if (!fs::exists(kStories)) GTEST_SKIP() << kStories << " is not here";
  const test::TemporaryFolder root;
  const fs::path folder = root / "model";
  convert_llama2c(kStories / "stories260K.bin", {folder, kModelFolder, true});
  const std::vector<std::string> pieces = read_pieces(kStories / "tok512.bin");
  ThreadPool pool(1);
  const std::vector<int32_t> prompt = {1};
  std::string text;
  int32_t before = 1;
  generate(Llama(folder), prompt, {.max_new_tokens = 256}, pool, [&](int32_t token) {
    if (token == 1) return false;  // llama2.c ends at a new BOS
    text += decode(pieces, before, token);
    before = token;
    return true;
  });
  EXPECT_EQ(text + "\n", read_file(kStories / "expected_greedy.txt"));
}

}  // namespace
}  // namespace tandem::engine
