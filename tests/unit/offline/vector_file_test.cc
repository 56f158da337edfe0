// SPDX-License-Identifier: Apache-2.0
#include "offline/vector_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<float> kValues = {1, -2, 0.5f, 0, 127, 12.5f};
const std::vector<std::string_view> kIds = {"b \"17\"", "a"};

class VectorFile : public testing::Test {
 protected:
  std::string refusal(const fs::path& path) {
    try {
      read_vectors(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "taken";
  }
  std::string refused_text(const char* text) {
    write_file(folder_ / "x.jsonl", std::string_view(text));
    return refusal(folder_ / "x.jsonl");
  }

  test::TemporaryFolder folder_;
};

TEST_F(VectorFile, GivesBackWhatWasWritten) {
  for (const char* name : {"v.jsonl", "v.safetensors"}) {
    SCOPED_TRACE(name);
    write_vectors(folder_ / name, ItemMatrixType::kFloat32, kValues, 3, kIds);
    const NamedVectors read = read_vectors(folder_ / name);
    EXPECT_EQ(read.width, 3);
    EXPECT_EQ(read.values, kValues);
    EXPECT_THAT(read.ids, ElementsAre("b \"17\"", "a"));
  }
  write_vectors(folder_ / "v.safetensors", ItemMatrixType::kBfloat16, kValues, 3, kIds);
  EXPECT_EQ(read_vectors(folder_ / "v.safetensors").values, kValues);  // all are bfloat16
  write_vectors(folder_ / "v.safetensors", ItemMatrixType::kInt8, kValues, 3, kIds);
  EXPECT_THAT(read_vectors(folder_ / "v.safetensors").values,
              ElementsAre(testing::FloatNear(1, .01f), testing::FloatEq(-2),
                          testing::FloatNear(.5f, .01f), 0, 127, testing::FloatNear(12.5f, .51f)));
}

TEST_F(VectorFile, AnItemMatrixIsReadWithoutThePaddingItem) {
  const std::vector<float> all = {9, 9, 9, 1, -2, 0.5f, 0, 127, 12.5f};
  const ItemRows rows = encode_item_rows(all, 3, ItemMatrixType::kFloat32);
  const ItemRowsView piece{.vectors = rows.vectors};
  write_item_matrix(folder_ / kItemMatrixFile, ItemMatrixType::kFloat32, 3, {&piece, 1}, kIds, {});
  const NamedVectors read = read_vectors(folder_ / kItemMatrixFile);
  EXPECT_EQ(read.values, kValues);
  EXPECT_THAT(read.ids, ElementsAre("b \"17\"", "a"));
}

TEST_F(VectorFile, RefusesWhatItCannotTrust) {
  write_vectors(folder_ / "v.npy", ItemMatrixType::kFloat32, kValues, 3, kIds);
  EXPECT_THAT(refusal(folder_ / "v.npy"), HasSubstr(".npy has no ids"));
  EXPECT_THAT(refusal(folder_ / "v.csv"), HasSubstr("ends in .safetensors or .jsonl"));
  EXPECT_THAT(refused_text("{\"id\":\"a\",\"vector\":[1]}\n{\"id\":\"a\",\"vector\":[2]}\n"),
              HasSubstr("id 'a' stands twice"));
  EXPECT_THAT(refused_text("{\"id\":\"a\",\"vector\":[1]}\n{\"id\":\"b\",\"vector\":[2,3]}\n"),
              HasSubstr("x.jsonl:2: a vector of 2 numbers, expected 1"));
  EXPECT_THAT(refused_text("{\"id\":\"a\",\"vector\":[]}\n"), HasSubstr("a vector of 0 numbers"));
  EXPECT_THAT(refused_text("{\"id\":\"a\",\"vector\":[1e99]}\n"),
              HasSubstr("a number that is inf"));
  EXPECT_THAT(refused_text("{\"id\":\"a\"}\n"), HasSubstr("key 'vector' is missing"));

  const fs::path path = folder_ / "x.safetensors";
  const std::vector<uint8_t> ids = {'a', 'b'};
  const auto refused = [&](const std::vector<int64_t>& ends, const std::vector<int64_t>& shape,
                           const char* format) {
    const std::vector<TensorView> tensors = {
        {"vectors", DType::kF32, shape, std::as_bytes(std::span(kValues))},
        {"ids", DType::kU8, {2}, std::as_bytes(std::span(ids))},
        {"id_ends", DType::kI64, {std::ssize(ends)}, std::as_bytes(std::span(ends))}};
    write_safetensors(path, tensors, {{"format", format}});
    return refusal(path);
  };
  EXPECT_EQ(refused({1, 2}, {2, 3}, "tandem vectors"), "taken");
  EXPECT_THAT(refused({1, 2}, {2, 3}, "other"), HasSubstr("its \"format\" is 'other'"));
  EXPECT_THAT(refused({1, 3}, {2, 3}, "tandem vectors"), HasSubstr("has 3 after 1, of 2 bytes"));
  EXPECT_THAT(refused({1, 0}, {2, 3}, "tandem vectors"), HasSubstr("has 0 after 1"));
  EXPECT_THAT(refused({1, 2}, {3, 2}, "tandem vectors"), HasSubstr("expected [2, width]"));
}

}  // namespace
}  // namespace tandem
