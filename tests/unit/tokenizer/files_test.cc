// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/files.h"

#include <gtest/gtest.h>

#include <string>

#include "support/temporary_folder.h"

namespace tandem {
namespace {

TEST(TokenizerFingerprint, IsOfTheTokenizersFilesByNameAndBytes) {
  const test::TemporaryFolder folder;
  const auto make = [&](const std::string& name, const std::string& bytes) {
    const fs::path path = folder / "of";
    fs::remove_all(path);
    fs::create_directories(path);
    write_file(path / "tokenizer.json", std::string_view("{}"));
    if (!name.empty()) write_file(path / name, bytes);
    return tokenizer_fingerprint(path);
  };
  const std::string first = make("", "");
  EXPECT_EQ(make("config.json", "{}"), first);  // of the model
  EXPECT_EQ(make("model.safetensors", "weights"), first);
  EXPECT_NE(make("tokenizer.json", "{ }"), first);
  for (const std::string& name : tokenizer_file_names()) {
    if (name == "tokenizer.json") continue;
    const std::string with = make(name, "x");
    EXPECT_NE(with, first) << name;
    EXPECT_NE(make(name, "y"), with) << name;
  }
  EXPECT_NE(make("vocab.json", "x"), make("merges.txt", "x"));
}

}  // namespace
}  // namespace tandem
