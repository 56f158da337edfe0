// SPDX-License-Identifier: Apache-2.0
#include "core/file.h"

#include <gtest/gtest.h>

#include <array>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

class File : public ::testing::Test {
 protected:
  int64_t entries() {
    return std::distance(fs::directory_iterator(root_), fs::directory_iterator());
  }

  const test::TemporaryFolder root_;
};

TEST_F(File, WriteReplacesWholeAndLeavesNothingElse) {
  const fs::path path = root_ / "a";
  write_file(path, "old and long");
  write_file(path, std::string_view("new\0x", 5));
  EXPECT_EQ(read_file(path), std::string("new\0x", 5));
  EXPECT_EQ(entries(), 1);
}

TEST_F(File, WritesPiecesInOrder) {
  const std::string first = "abc", empty, second = "de";
  const std::array pieces = {std::as_bytes(std::span(first)), std::as_bytes(std::span(empty)),
                             std::as_bytes(std::span(second))};
  write_file(root_ / "a", pieces);
  EXPECT_EQ(read_file(root_ / "a"), "abcde");
}

TEST_F(File, FailedWriteKeepsTheOldContent) {
  fs::create_directories(root_ / "folder" / "inside");
  EXPECT_THROW(write_file(root_ / "folder", "x"),
               IoError);  // the rename cannot replace a full folder
  EXPECT_TRUE(fs::is_directory(root_ / "folder" / "inside"));
  EXPECT_EQ(entries(), 1) << "the temporary file is gone";
  EXPECT_THROW(write_file(root_ / "absent" / "a", "x"), IoError);
}

TEST_F(File, MapsAndMoves) {
  write_file(root_ / "a", "hello");
  MappedFile a(root_ / "a");
  MappedFile b = std::move(a);
  EXPECT_EQ(b.text(), "hello");
  EXPECT_EQ(b.path(), root_ / "a");
  write_file(root_ / "a", "other");
  EXPECT_EQ(b.text(), "hello") << "a mapping keeps the file it opened";
  write_file(root_ / "empty", "");
  b = MappedFile(root_ / "empty");
  EXPECT_EQ(b.size(), 0u);
  EXPECT_EQ(b.text(), "");
}

TEST_F(File, MappingNamesWhatIsWrong) {
  try {
    MappedFile file(root_ / "absent");
    FAIL();
  } catch (const IoError& error) {
    EXPECT_EQ(std::string(error.what()),
              (root_ / "absent").string() + ": cannot open: No such file or directory");
  }
  EXPECT_THROW(MappedFile{root_}, IoError);
}

}  // namespace
}  // namespace tandem
