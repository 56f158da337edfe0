// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_split.h"

#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "core/error.h"
#include "formats/gguf_file.h"
#include "support/gguf_bytes.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

// A part with one F32 tensor of two numbers, as gguf-split writes them.
struct Part {
  int no = 0, count = 3, tensors = 3;
  std::string tensor = "a";
  std::optional<int> value = {};  // of the key "model.key"

  std::string bytes() const {
    test::GgufBytes file(1, value ? 4 : 3);
    file.text("split.no");
    file.put(uint32_t{2});  // u16
    file.put(static_cast<uint16_t>(no));
    file.text("split.count");
    file.put(uint32_t{2});
    file.put(static_cast<uint16_t>(count));
    file.text("split.tensors.count");
    file.put(uint32_t{5});  // i32
    file.put(int32_t{tensors});
    if (value) {
      file.text("model.key");
      file.put(uint32_t{5});
      file.put(int32_t{*value});
    }
    file.text(tensor);
    file.put(uint32_t{1});
    file.put(uint64_t{2});
    file.put(uint32_t{0});
    file.put(uint64_t{0});
    file.align();
    file.put(static_cast<float>(no));
    file.put(static_cast<float>(no) + 0.5f);
    return file.bytes();
  }
};

class GgufSplitTest : public testing::Test {
 protected:
  void SetUp() override {
    write(1, {.no = 0, .tensor = "a", .value = 7});
    write(2, {.no = 1, .tensor = "b"});
    write(3, {.no = 2, .tensor = "c"});
  }

  fs::path part(int number) const {
    return folder_ / ("m-0000" + std::to_string(number) + "-of-00003.gguf");
  }
  void write(int number, const Part& what) const {
    std::ofstream(part(number), std::ios::binary) << what.bytes();
  }
  static std::string refusal(const fs::path& path) {
    try {
      const GgufFile file(path);
      return "";
    } catch (const FormatError& error) {
      return error.what();
    }
  }

  const test::TemporaryFolder folder_;
};

TEST_F(GgufSplitTest, AnyPartStandsForTheWhole) {
  for (const int given : {1, 2, 3}) {
    const GgufFile file(part(given));
    EXPECT_EQ(file.tensors().size(), 3u);
    EXPECT_EQ(file.metadata().integer("model.key"), 7);
    EXPECT_EQ(file.path(), part(1));
    EXPECT_EQ(file.file_of("b"), part(2));
    std::vector<float> values(2);
    file.at("c").dequantize_rows(0, 1, values.data());
    EXPECT_EQ(values, (std::vector<float>{2.0f, 2.5f}));
    EXPECT_EQ(open_gguf_keys(part(given)).integer("model.key"), 7);
  }
}

TEST_F(GgufSplitTest, AMissingPartIsNamed) {
  for (const int missing : {1, 2, 3}) {
    fs::rename(part(missing), folder_ / "away");
    const std::string text = refusal(part(missing == 1 ? 2 : 1));
    EXPECT_NE(text.find(part(missing).filename().string()), std::string::npos) << text;
    EXPECT_NE(text.find("of 3"), std::string::npos) << text;
    fs::rename(folder_ / "away", part(missing));
  }
  EXPECT_THROW((fs::remove(part(1)), open_gguf_keys(part(3))), FormatError);
}

TEST_F(GgufSplitTest, PartsThatAreNotWhatTheirNamesSayAreRefused) {
  const auto with = [&](int number, const Part& what) {
    const std::string before = read_file(part(number));
    write(number, what);
    const std::string text = refusal(part(1));
    write_file(part(number), before);
    return text;
  };
  EXPECT_NE(with(2, {.no = 2, .tensor = "b"}).find("part 3 of 3"), std::string::npos);
  EXPECT_NE(with(2, {.no = 1, .count = 4, .tensor = "b"}).find("of 4"), std::string::npos);
  EXPECT_NE(with(2, {.no = 1, .tensor = "a"}).find("'a' occurs twice"), std::string::npos);
  EXPECT_NE(with(1, {.no = 0, .tensors = 5}).find("split.tensors.count is 5"), std::string::npos);
  EXPECT_NE(with(1, {.no = 3}).find("split.no is 3"), std::string::npos);
  EXPECT_EQ(refusal(part(1)), "");
  fs::rename(part(1), folder_ / "model.gguf");
  EXPECT_NE(refusal(folder_ / "model.gguf").find("NAME-00001-of-00003.gguf"), std::string::npos);
}

TEST_F(GgufSplitTest, OnePartAloneIsAFile) {
  const fs::path alone = folder_ / "alone.gguf";
  std::ofstream(alone, std::ios::binary) << Part{.count = 1, .tensors = 1}.bytes();
  EXPECT_EQ(GgufFile(alone).tensors().size(), 1u);
  EXPECT_TRUE(is_gguf_file(alone));
  EXPECT_FALSE(is_gguf_file(folder_));
  EXPECT_FALSE(is_gguf_file(folder_ / "none"));
}

}  // namespace
}  // namespace tandem
