// SPDX-License-Identifier: Apache-2.0
#include "core/output.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>

#include "core/error.h"
#include "core/file.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

const OutputKind kSafe = {
    .name = "a safe",
    .recognises = [](const fs::path& path) { return fs::exists(path / "lock"); },
    .files = {"lock", "shelf/*.txt"},
    .remedy = ", use --key"};
const OutputKind kNote = {.name = "a note", .recognises = [](const fs::path& path) {
                            return read_file(path).starts_with("note:");
                          }};

class OutputTest : public ::testing::Test {
 protected:
  fs::path safe(const std::string& name) {
    fs::create_directories(root_ / name / "shelf");
    write_file(root_ / name / "lock", "old");
    write_file(root_ / name / "shelf" / "a.txt", "old");
    return root_ / name;
  }
  // The message with which a place is refused, the root left out; empty when it is not.
  template <typename E>
  std::string refusal(const fs::path& path, const OutputKind& kind, bool overwrite,
                      const std::vector<fs::path>& inputs = {}) {
    try {
      const Output output(path, kind, overwrite, inputs);
      return "";
    } catch (const E& error) {
      std::string text = error.what();
      for (size_t at; (at = text.find(root_.path().string() + "/")) != std::string::npos;)
        text.erase(at, root_.path().string().size() + 1);
      return text;
    }
  }
  int64_t entries() const {
    return std::distance(fs::directory_iterator(root_), fs::directory_iterator());
  }

  const test::TemporaryFolder root_;
};

TEST_F(OutputTest, WhatIsNotThereOrEmptyIsFree) {
  EXPECT_EQ(refusal<Error>(root_ / "new", kSafe, false), "");
  fs::create_directories(root_ / "empty");
  EXPECT_EQ(refusal<Error>(root_ / "empty" / "", kSafe, false), "");
  EXPECT_FALSE(Output(root_ / "empty", kSafe, true).replaces());
  EXPECT_FALSE(Output(root_ / "note", kNote, true).replaces());
}

TEST_F(OutputTest, ItsOwnKindIsReplacedOnlyWhenTold) {
  EXPECT_EQ(refusal<IoError>(safe("own"), kSafe, false),
            "own: exists already; choose another output, use --key or pass --overwrite");
  EXPECT_EQ(refusal<IoError>(safe("own"), kSafe, true), "");
  EXPECT_TRUE(Output(safe("own"), kSafe, true).replaces());
  EXPECT_THROW(Output{safe("own")}, IoError) << "without a kind nothing is replaced";
}

TEST_F(OutputTest, WhatIsOfAnotherKindStays) {
  fs::create_directories(root_ / "photos");
  write_file(root_ / "photos" / "cat.jpg", "x");
  EXPECT_EQ(refusal<IoError>(root_ / "photos", kSafe, true),
            "photos: exists and is not a safe that Tandem wrote; choose another output");
  write_file(root_ / "file", "x");
  EXPECT_NE(refusal<IoError>(root_ / "file", kSafe, true), "") << "a file in a folder's place";
  EXPECT_NE(refusal<IoError>(root_ / "file", kNote, true), "");
  EXPECT_NE(refusal<IoError>(safe("own"), kNote, true), "") << "a folder in a file's place";
  write_file(root_ / "own_note", "note: x");
  EXPECT_EQ(refusal<IoError>(root_ / "own_note", kNote, true), "");
  fs::create_directory_symlink(safe("own"), root_ / "link");
  EXPECT_EQ(refusal<IoError>(root_ / "link", kSafe, true),
            "link: is a link; name the place itself");
}

TEST_F(OutputTest, AStrangersFileInItKeepsItFromBeingReplaced) {
  write_file(safe("own") / "shelf" / "thesis.doc", "x");
  EXPECT_EQ(refusal<IoError>(root_ / "own", kSafe, true),
            "own: holds 'shelf/thesis.doc', which is no part of a safe; move it away or choose "
            "another output");
  fs::remove(root_ / "own" / "shelf" / "thesis.doc");
  EXPECT_EQ(refusal<IoError>(root_ / "own", kSafe, true), "");
}

TEST_F(OutputTest, AnInputIsNeverTheOutput) {
  const fs::path own = safe("own");
  const fs::path roundabout = root_ / "x" / ".." / "own" / "";
  EXPECT_EQ(refusal<UsageError>(own, kSafe, true, {"", roundabout}),
            "own: is the input x/../own/; choose another output");
  EXPECT_EQ(refusal<UsageError>(own, kSafe, true, {own / "shelf" / "a.txt"}),
            "own: holds the input own/shelf/a.txt; choose another output");
  EXPECT_EQ(refusal<UsageError>(root_ / "new", kSafe, true, {root_ / "new" / "not there yet"}),
            "new: holds the input new/not there yet; choose another output");
  EXPECT_EQ(refusal<Error>(own, kSafe, true, {root_ / "own2", root_}), "")
      << "an output within an input, or beside one, is fine";
}

TEST_F(OutputTest, TheFolderInWhichTheProgramRunsIsNeverTheOutput) {
  const fs::path before = fs::current_path();
  fs::current_path(safe("own") / "shelf");
  for (const char* path : {".", "./", "..", "../..", "/", ""})
    EXPECT_NE(refusal<UsageError>(path, kSafe, true), "") << "'" << path << "'";
  fs::current_path(before);
}

TEST_F(OutputTest, AStagedFolderAppearsWhole) {
  const fs::path target = root_ / "out";
  {
    StagedFolder staged(Output(target / ""));
    write_file(staged.path() / "a", "1");
    EXPECT_FALSE(fs::exists(target));
    staged.commit();
  }
  EXPECT_EQ(read_file(target / "a"), "1");
  EXPECT_EQ(entries(), 1);
}

TEST_F(OutputTest, WithoutCommitNothingIsLeft) {
  {
    StagedFolder staged{Output(root_ / "out")};
    write_file(staged.path() / "a", "1");
  }
  EXPECT_EQ(entries(), 0);
}

TEST_F(OutputTest, AnInterruptedOneLeavesNothingAndKeepsTheOld) {
  const fs::path target = safe("own");
  {
    StagedFolder staged(Output(target, kSafe, true));
    write_file(staged.path() / "lock", "new");
    raise(SIGTERM);
    EXPECT_THROW(staged.commit(), Stopped);
  }
  EXPECT_EQ(read_file(target / "lock"), "old");
  EXPECT_EQ(entries(), 1);
}

TEST_F(OutputTest, TheOldOneStaysUntilTheCommit) {
  const fs::path target = safe("own");
  {
    StagedFolder staged(Output(target, kSafe, true));
    write_file(staged.path() / "lock", "new");
    EXPECT_EQ(read_file(target / "lock"), "old");
    staged.commit();
  }
  EXPECT_EQ(read_file(target / "lock"), "new");
  EXPECT_FALSE(fs::exists(target / "shelf"));
  EXPECT_EQ(entries(), 1);
}

TEST_F(OutputTest, WhatAppearsMeanwhileIsNotReplaced) {
  StagedFolder staged(Output(root_ / "own", kSafe, true));
  safe("own");
  EXPECT_THROW(staged.commit(), IoError);
  EXPECT_EQ(read_file(root_ / "own" / "lock"), "old");
}

}  // namespace
}  // namespace tandem
