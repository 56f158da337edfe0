// SPDX-License-Identifier: Apache-2.0
#include "formats/run_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "core/error.h"
#include "core/machine.h"
#include "formats/run_folder.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

class RunLockTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(root_ / "run"); }

  std::string refusal(const fs::path& run) {
    try {
      const RunLock lock(run);
    } catch (const IoError& error) {
      return error.what();
    }
    return "";
  }

  const test::TemporaryFolder root_;
};

TEST_F(RunLockTest, OneAtATimeAndTheOtherIsNamed) {
  {
    const RunLock lock(root_ / "run");
    const std::string text = refusal(root_ / "run");
    EXPECT_NE(text.find((root_ / "run").string() + ": process " + std::to_string(::getpid()) +
                        " on " + host_name() + " since 2"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("is training in this folder"), std::string::npos) << text;
    EXPECT_TRUE(fs::exists(root_ / "run/lock"));
  }
  EXPECT_TRUE(fs::is_empty(root_ / "run")) << "nothing stays";
  EXPECT_EQ(refusal(root_ / "run"), "");
}

TEST_F(RunLockTest, TheSystemDropsItWithTheProcess) {
  int locked[2];
  ASSERT_EQ(::pipe(locked), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const RunLock lock(root_ / "run");
    if (::write(locked[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(locked[0], &byte, 1), 1);
  EXPECT_NE(refusal(root_ / "run").find("process " + std::to_string(child) + " on "),
            std::string::npos);
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(fs::exists(root_ / "run/lock")) << "the file of a killed process stays";
  EXPECT_EQ(refusal(root_ / "run"), "") << "and locks nobody out";
}

// An old run is moved aside while a new one takes its place: each keeps its own lock.
TEST_F(RunLockTest, GoesWithTheFolderUnderAnotherName) {
  {
    const RunLock first(root_ / "run");
    fs::rename(root_ / "run", root_ / "old");
    fs::create_directories(root_ / "run");
    EXPECT_NE(refusal(root_ / "old"), "");
    const RunLock second(root_ / "run");
    EXPECT_NE(refusal(root_ / "run"), "");
  }
  EXPECT_TRUE(fs::is_empty(root_ / "run"));
  EXPECT_TRUE(fs::is_empty(root_ / "old"));
}

TEST_F(RunLockTest, ANewRunIsLockedFromTheStart) {
  {
    const RunFolder run = RunFolder::create(root_ / "new", {.verb = "pretrain"}, "");
    EXPECT_NE(refusal(root_ / "new"), "");
    EXPECT_NO_THROW(RunFolder::open(root_ / "new")) << "readers need no lock";
  }
  EXPECT_EQ(refusal(root_ / "new"), "");
}

TEST_F(RunLockTest, NamesAFolderThatIsNotThere) {
  EXPECT_NE(refusal(root_ / "absent").find("absent/lock: cannot open"), std::string::npos);
}

}  // namespace
}  // namespace tandem
