// SPDX-License-Identifier: Apache-2.0
#include "core/progress.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <regex>
#include <thread>

namespace tandem {
namespace {

// The last line of standard error, which is not a terminal in a test, after 50 ms of work.
std::string last_line(const std::function<void(Progress&)>& work) {
  testing::internal::CaptureStderr();
  {
    Progress progress("train", 1000, "steps");
    work(progress);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    progress.finish();
  }
  std::string text = testing::internal::GetCapturedStderr();
  text.resize(text.find_last_not_of('\n') + 1);
  return text.substr(text.rfind('\n') + 1);
}

double speed_of(const std::string& line) {
  std::smatch found;
  return std::regex_search(line, found, std::regex("([0-9.]+)/s")) ? std::stod(found[1]) : -1;
}

TEST(ProgressTest, ShareAndSpeedAreOfWhatWasDone) {
  const std::string line = last_line([](Progress& progress) { progress.update(10, "loss 1.5"); });
  EXPECT_NE(line.find("train    1 %  10/1000 steps"), std::string::npos) << line;
  EXPECT_NE(line.find("loss 1.5"), std::string::npos) << line;
  EXPECT_GT(speed_of(line), 0) << line;
  EXPECT_LE(speed_of(line), 10 / 0.05) << line;
}

// A resumed run did 990 steps yesterday: they are part of the share, not of today's speed.
TEST(ProgressTest, AResumedRunsSpeedLeavesOutWhatWasDoneBefore) {
  const std::string line = last_line([](Progress& progress) {
    progress.resume_at(990);
    progress.update(1000);
  });
  EXPECT_NE(line.find("100 %  1000/1000 steps"), std::string::npos) << line;
  EXPECT_LE(speed_of(line), 10 / 0.05) << line;
}

}  // namespace
}  // namespace tandem
