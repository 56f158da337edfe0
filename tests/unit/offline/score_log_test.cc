// SPDX-License-Identifier: Apache-2.0
#include "offline/score_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using ::testing::HasSubstr;

class ScoreLogs : public testing::Test {
 protected:
  std::vector<float> rows_after_resume(const std::string& pass) {
    return ScoreLog(path_, settings_, true).rows_of(pass);
  }

  const test::TemporaryFolder folder_;
  const fs::path path_ = folder_ / "out.scores";
  const Json settings_ = {{"users", "all"}, {"seed", 42}};
  const std::string one_ = std::string(64, 'a'), two_ = std::string(64, 'b');
  const std::vector<float> rows_ = {1, 2, 3, 4, 5, 6};
};

TEST_F(ScoreLogs, KeepsRowsOfEachPassInTheirOrder) {
  ScoreLog log(path_, settings_, true);  // nothing there: from the beginning
  EXPECT_TRUE(log.rows_of(one_).empty());
  log.append(one_, rows_.data(), 1, 2);
  log.append(two_, rows_.data() + 2, 2, 1);
  log.append(one_, rows_.data() + 4, 1, 2);
  EXPECT_EQ(rows_after_resume(one_), (std::vector<float>{1, 2, 5, 6}));
  EXPECT_EQ(rows_after_resume(two_), (std::vector<float>{3, 4}));
  ScoreLog(path_, settings_, false);
  EXPECT_TRUE(rows_after_resume(one_).empty());
  log.remove();
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(ScoreLogs, WhatACrashToreIsCutOff) {
  ScoreLog log(path_, settings_, false);
  log.append(one_, rows_.data(), 1, 2);
  const std::string whole = read_file(path_);
  log.append(one_, rows_.data() + 2, 2, 2);
  const std::string more = read_file(path_);
  for (const size_t size : {whole.size() + 1, whole.size() + 80, more.size() - 1}) {
    write_file(path_, more.substr(0, size));
    EXPECT_EQ(rows_after_resume(one_), (std::vector<float>{1, 2})) << size;
    EXPECT_EQ(read_file(path_), whole);
  }
  std::string changed = more;
  changed[whole.size() + 75] ^= 1;  // one bit of a float
  write_file(path_, changed);
  EXPECT_EQ(rows_after_resume(one_), (std::vector<float>{1, 2}));
}

TEST_F(ScoreLogs, OtherSettingsAreNamedAndRefused) {
  ScoreLog(path_, settings_, false);
  Json other = settings_;
  other["users"] = "500 drawn with seed 42";
  other["--precision"] = "bfloat16";
  try {
    ScoreLog(path_, other, true);
    ADD_FAILURE() << "taken";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("users: was \"all\", is \"500 drawn with seed 42\""));
    EXPECT_THAT(error.what(), HasSubstr("--precision: was none, is \"bfloat16\""));
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("seed: ")));
  }
  write_file(path_, "no scores");
  EXPECT_THROW(ScoreLog(path_, settings_, true), FormatError);
  write_file(path_, "{\"format\": \"another\"}\n");
  EXPECT_THROW(ScoreLog(path_, settings_, true), FormatError);
}

TEST_F(ScoreLogs, ASignatureTellsFilesApart) {
  fs::create_directories(folder_ / "model");
  write_file(folder_ / "model" / "weights", "abc");
  const std::string before = files_signature(folder_ / "model");
  EXPECT_EQ(files_signature(folder_ / "model"), before);
  write_file(folder_ / "model" / "weights", "xyz");  // as long, but later
  fs::last_write_time(folder_ / "model" / "weights",
                      fs::last_write_time(folder_ / "model" / "weights") + std::chrono::seconds(2));
  const std::string rewritten = files_signature(folder_ / "model");
  EXPECT_NE(rewritten, before);
  write_file(folder_ / "model" / "weights", "abcd");
  EXPECT_NE(files_signature(folder_ / "model"), rewritten);
  EXPECT_NE(files_signature(folder_ / "model"), before);
  EXPECT_NE(files_signature(folder_ / "model" / "weights"), before);
  EXPECT_EQ(files_signature(""), "");
  EXPECT_THROW(files_signature(folder_ / "absent"), IoError);
}

}  // namespace
}  // namespace tandem
