// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

class Safetensors : public ::testing::Test {
 protected:
  void write_raw(const std::string& header, const std::string& data) {
    const uint64_t size = header.size();
    std::string file(sizeof size, '\0');
    std::memcpy(file.data(), &size, sizeof size);
    write_file(path_, file + header + data);
  }

  // The text of the error, or "" when the file was accepted.
  std::string refusal() {
    try {
      const SafetensorsFile file(path_);
      return "";
    } catch (const FormatError& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(path_.string())) << error.what();
      return error.what();
    }
  }
  std::string refusal(const std::string& header, const std::string& data) {
    write_raw(header, data);
    return refusal();
  }

  const test::TemporaryFolder folder_;
  const fs::path path_ = folder_ / "x.safetensors";
};

template <typename T>
TensorView view(std::string name, DType dtype, std::vector<int64_t> shape,
                const std::vector<T>& values) {
  return {std::move(name), dtype, std::move(shape), std::as_bytes(std::span(values))};
}

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(Safetensors, RoundTripKeepsEverything) {
  const std::vector<uint8_t> odd = {1, 0, 1};
  const std::vector<float> floats = {1, -2, 3, 4, 5, 6};
  const std::vector<double> doubles = {0.25};
  const std::vector<uint16_t> halves = {0x3c00};
  const std::vector<int64_t> none;
  const std::vector<TensorView> tensors = {
      view("mask", DType::kBool, {3}, odd), view("w", DType::kF32, {2, 3}, floats),
      view("scalar", DType::kF64, {}, doubles), view("h", DType::kBf16, {1, 1}, halves),
      view("empty \"x\"", DType::kI64, {0, 7}, none)};
  write_safetensors(path_, tensors, {{"format", "pt"}, {"note", "ä"}});

  const SafetensorsFile file(path_);
  EXPECT_EQ(file.metadata().dump(), R"({"format":"pt","note":"ä"})");
  ASSERT_EQ(file.tensors().size(), tensors.size());
  for (const TensorView& want : tensors) {
    const TensorView& got = file.at(want.name);
    EXPECT_EQ(got.dtype, want.dtype);
    EXPECT_EQ(got.shape, want.shape);
    EXPECT_TRUE(
        std::equal(got.bytes.begin(), got.bytes.end(), want.bytes.begin(), want.bytes.end()));
  }
  EXPECT_EQ(file.at("w").as<float>()[5], 6.0f);  // aligned although it was given after three bytes
  EXPECT_EQ(file.at("scalar").count(), 1);
  EXPECT_EQ(file.at("mask").as<uint8_t>()[2], 1);
  EXPECT_THROW(file.at("w").as<double>(), FormatError);
  EXPECT_THROW(file.at("absent"), FormatError);
}

TEST_F(Safetensors, WriterRefusesWhatAReaderWould) {
  const std::vector<float> floats = {1, 2};
  const std::vector<TensorView> twice = {view("a", DType::kF32, {2}, floats),
                                         view("a", DType::kF32, {2}, floats)};
  EXPECT_THROW(write_safetensors(path_, twice), FormatError);
  const std::vector<TensorView> wrong = {view("a", DType::kF32, {3}, floats)};
  EXPECT_THROW(write_safetensors(path_, wrong), FormatError);
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(Safetensors, ReadsComplexAsPairs) {
  ASSERT_EQ(
      refusal(R"({"z":{"dtype":"C64","shape":[2],"data_offsets":[0,16]}})", std::string(16, '\1')),
      "");
  EXPECT_EQ(SafetensorsFile(path_).at("z").shape, (std::vector<int64_t>{2, 2}));
}

TEST_F(Safetensors, RefusesTruncatedFiles) {
  const std::vector<float> floats(100, 1.5f);
  const std::vector<TensorView> tensors = {view("w", DType::kF32, {10, 10}, floats)};
  write_safetensors(path_, tensors);
  const std::string whole = read_file(path_);
  for (size_t size = 0; size < whole.size(); ++size) {
    // Not write_file, and not over the old file: hundreds of flushes to the disk take their time.
    fs::remove(path_);
    std::ofstream(path_, std::ios::binary) << whole.substr(0, size);
    EXPECT_NE(refusal(), "") << "cut to " << size << " bytes";
  }
  write_file(path_, whole + "x");
  EXPECT_CONTAINS(refusal(), "1 bytes of data belong to no tensor");
}

TEST_F(Safetensors, RefusesHugeHeaderLength) {
  for (const uint64_t size : {UINT64_MAX, UINT64_MAX - 7, uint64_t{1} << 63, uint64_t{17}}) {
    std::string file(24, ' ');
    std::memcpy(file.data(), &size, sizeof size);
    write_file(path_, file);
    EXPECT_CONTAINS(refusal(), "header claims");
  }
}

TEST_F(Safetensors, RefusesBadHeaders) {
  EXPECT_CONTAINS(refusal("{\"a\":", ""), "not valid JSON");
  EXPECT_CONTAINS(refusal("[]", ""), "not a JSON object");
  EXPECT_CONTAINS(refusal("{\"a\xff\":1}", ""), "not valid JSON");
  EXPECT_CONTAINS(refusal(std::string(100000, '['), ""), "nested too deeply");
  EXPECT_CONTAINS(refusal(R"({"__metadata__":{"a":1}})", ""), "map of strings");
  EXPECT_CONTAINS(refusal(R"({"w":3})", ""), "tensor 'w': not a JSON object");
  const std::string entry = R"("w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_CONTAINS(refusal("{" + entry + "," + entry + "}", "abcd"), "names 'w' twice");
}

TEST_F(Safetensors, RefusesBadEntries) {
  const auto one = [&](const std::string& dtype, const std::string& shape,
                       const std::string& offsets) {
    return refusal(R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
                       offsets + "}}",
                   "abcdefgh");
  };
  EXPECT_EQ(one("F32", "[2]", "[0,8]"), "");
  EXPECT_CONTAINS(one("F33", "[2]", "[0,8]"), "dtype 'F33'");
  EXPECT_CONTAINS(one("F64", "[2]", "[0,8]"), "needs 16");
  EXPECT_CONTAINS(one("F32", "[4294967296,4294967296]", "[0,8]"), "overflows");
  EXPECT_CONTAINS(one("F32", "[4611686018427387906]", "[0,8]"),
                  "overflows");  // times 4 bytes wraps to 8
  EXPECT_CONTAINS(one("F32", "[-2]", "[0,8]"), "whole numbers");
  EXPECT_CONTAINS(one("F32", "[2.0]", "[0,8]"), "whole numbers");
  EXPECT_CONTAINS(one("F32", "[18446744073709551615]", "[0,8]"), "whole numbers");
  EXPECT_CONTAINS(one("F32", "2", "[0,8]"), "not a list");
  EXPECT_CONTAINS(one("F32", "[2]", "[8,0]"), "do not lie");
  EXPECT_CONTAINS(one("F32", "[2]", "[4,12]"), "do not lie");
  EXPECT_CONTAINS(one("F32", "[2]", "[0]"), "do not lie");
  EXPECT_CONTAINS(one("F32", "[1]", "[4,8]"), "a gap");
  EXPECT_CONTAINS(one("F32", "[1]", "[0,4]"), "belong to no tensor");
}

TEST_F(Safetensors, RefusesOverlaps) {
  EXPECT_CONTAINS(refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                          R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                          "abcdefgh"),
                  "overlap");
}

}  // namespace
}  // namespace tandem
