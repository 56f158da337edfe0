// SPDX-License-Identifier: Apache-2.0
#include "formats/hf_folder.h"

#include <gtest/gtest.h>

#include <cstring>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

class HfFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_file(folder_ / "config.json", std::string_view("{\"model_type\": \"llama\"}"));
  }

  void write_weights(int64_t shard_bytes) {
    const std::vector<TensorSpec> specs = {{"a", {2, 3}}, {"b", {4}}, {"c", {1, 5}}};
    write_hf_weights(
        folder_, specs, DType::kF32, shard_bytes, [](const TensorSpec& spec, auto out) {
          for (size_t i = 0; i < out.size() / sizeof(float); ++i) {
            const float value = static_cast<float>(i) + 100.0f * static_cast<float>(spec.name[0]);
            std::memcpy(out.data() + i * sizeof(float), &value, sizeof value);
          }
        });
  }

  std::string refusal() {
    try {
      const HfFolder folder(folder_);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  const test::TemporaryFolder folder_;
};

TEST_F(HfFolderTest, OneFileAndShardsReadAsTheSame) {
  for (const int64_t shard_bytes : {1000, 40, 1}) {
    SCOPED_TRACE(shard_bytes);
    write_weights(shard_bytes);
    const HfFolder folder(folder_);
    ASSERT_EQ(folder.tensors().size(), 3u);
    EXPECT_EQ(folder.at("b").as<float>()[3], 9803.0f);
    EXPECT_EQ(folder.at("c").shape, (std::vector<int64_t>{1, 5}));
    EXPECT_EQ(fs::exists(folder_ / "model.safetensors.index.json"), shard_bytes != 1000);
    fs::remove(folder_ / "model.safetensors");
  }
  EXPECT_TRUE(fs::exists(folder_ / "model-00003-of-00003.safetensors"));
}

TEST_F(HfFolderTest, ShapesAndAbsentTensorsAreNamed) {
  write_weights(1000);
  const HfFolder folder(folder_);
  EXPECT_NO_THROW(folder.weight({"a", {2, 3}}));
  EXPECT_THROW(folder.weight({"d", {2}}), FormatError);
  try {
    folder.weight({"a", {3, 2}});
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_NE(std::string(error.what())
                  .find("tensor 'a' has shape [2, 3], the configuration wants [3, 2]"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(HfFolderTest, ShardsThatAreNotThoseOfTheIndexAreNamedWithIt) {
  const std::string index = "model.safetensors.index.json",
                    second = "model-00002-of-00003.safetensors";
  const auto names_both = [&](const std::string& text) {
    return text.find(index) != std::string::npos && text.find(second) != std::string::npos;
  };
  write_weights(1);
  const HfFolder folder(folder_);
  EXPECT_EQ(folder.file_of("b").filename(), second);
  EXPECT_EQ(folder.file_of("d").filename(), index);

  fs::rename(folder_ / second, folder_ / "kept");
  EXPECT_TRUE(names_both(refusal())) << refusal();
  EXPECT_THROW(HfFolder{folder_}, FormatError);
  fs::copy_file(folder_ / "model-00001-of-00003.safetensors", folder_ / second);
  EXPECT_TRUE(names_both(refusal())) << refusal();
  EXPECT_NE(refusal().find("['b']"), std::string::npos) << refusal();
  fs::rename(folder_ / "kept", folder_ / second);
  EXPECT_EQ(refusal(), "");

  fs::remove(folder_ / index);
  EXPECT_NE(refusal().find(index), std::string::npos) << refusal();
  write_file(folder_ / "model.safetensors",
             std::string_view("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"));
  EXPECT_NE(refusal().find("Git LFS"), std::string::npos) << refusal();
}

TEST_F(HfFolderTest, ATypeThatIsNotReadNamesFileAndTensor) {
  const std::vector<double> values = {1, 2};
  const TensorView tensor{"a", DType::kF64, {2}, std::as_bytes(std::span(values))};
  write_safetensors(folder_ / "model.safetensors", std::span(&tensor, 1));
  const HfFolder folder(folder_);
  try {
    folder.weight({"a", {2}});
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_NE(std::string(error.what()).find("model.safetensors: tensor 'a' is F64"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(HfFolderTest, AFolderWithoutWeightsSaysWhatIsMissing) {
  EXPECT_NE(refusal().find("no weights, expected model.safetensors"), std::string::npos);
  write_file(folder_ / "pytorch_model.bin", std::string_view("x"));
  EXPECT_NE(refusal().find("pickle"), std::string::npos);
}

TEST_F(HfFolderTest, AnIndexCannotReachOutOfTheFolder) {
  for (const char* name : {"../other.safetensors", "/etc/passwd", "..", "", "a/b"}) {
    write_json(folder_ / "model.safetensors.index.json", Json{{"weight_map", {{"a", name}}}});
    EXPECT_NE(refusal().find("expected the name of a file in the folder"), std::string::npos)
        << name;
  }
}

TEST_F(HfFolderTest, AnIndexThatNamesATensorOfNoShardIsRefused) {
  write_weights(1);
  Json index = read_json(folder_ / "model.safetensors.index.json");
  index["weight_map"]["d"] = "model-00001-of-00003.safetensors";
  write_json(folder_ / "model.safetensors.index.json", index);
  EXPECT_NE(refusal().find("'d'"), std::string::npos) << refusal();
  index["weight_map"] = 7;
  write_json(folder_ / "model.safetensors.index.json", index);
  EXPECT_NE(refusal(), "");
}

TEST_F(HfFolderTest, ACutFileIsRefused) {
  write_weights(1000);
  const std::string whole = read_file(folder_ / "model.safetensors");
  for (size_t size = 0; size < whole.size(); size += 7) {
    write_file(folder_ / "model.safetensors", std::string_view(whole).substr(0, size));
    EXPECT_NE(refusal(), "") << size;
  }
}

}  // namespace
}  // namespace tandem
