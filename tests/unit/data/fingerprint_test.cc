// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "data/dataset.h"
#include "data/dataset_files.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

DenseLog small_log() {
  DenseLog log;
  log.user_ids = {"u1", "u2"};
  log.item_ids = {"a", "b", "c"};
  log.titles = {"Apple", "Berry", "Cherry"};
  log.item_fields = {Json{{"colour", "red"}}, Json{{"colour", "blue"}}, Json{{"colour", "dark"}}};
  log.offsets = {0, 2, 5};
  log.timestamps = {10, 20, 10, 20, 30};
  log.items = {1, 2, 3, 1, 2};
  log.ratings = {1, 2, 3, 4, 5};
  return log;
}

// One change a case: whatever a model or an evaluation can read is in the data set's fingerprint.
TEST(DatasetFingerprint, EveryFieldCountsAndHowItWasMadeDoesNot) {
  const test::TemporaryFolder folder;
  int number = 0;
  const auto after = [&](const std::function<void(DenseLog&)>& change, const Json& about) {
    const fs::path path = folder / std::to_string(number++).c_str();
    fs::create_directories(path);
    DenseLog log = small_log();
    change(log);
    const std::string fingerprint = write_dataset_files(path, log, about);
    EXPECT_EQ(Dataset::open(path).fingerprint(), fingerprint);
    return fingerprint;
  };
  const auto nothing = [](DenseLog&) {};
  const std::string first = after(nothing, Json::object());
  EXPECT_EQ(after(nothing, {{"source", "elsewhere"}, {"filters", "others"}}), first);
  const std::pair<const char*, std::function<void(DenseLog&)>> changes[] = {
      {"user id", [](DenseLog& l) { l.user_ids[1] = "u3"; }},
      {"item id", [](DenseLog& l) { l.item_ids[2] = "d"; }},
      {"title", [](DenseLog& l) { l.titles[0] = "Apples"; }},
      {"a further field of an item", [](DenseLog& l) { l.item_fields[1]["colour"] = "green"; }},
      {"whose interaction it is", [](DenseLog& l) { l.offsets[1] = 3; }},
      {"timestamp", [](DenseLog& l) { l.timestamps[4] = 31; }},
      {"item", [](DenseLog& l) { l.items[4] = 3; }},
      {"order of items", [](DenseLog& l) { std::swap(l.items[0], l.items[1]); }},
      {"rating", [](DenseLog& l) { l.ratings[0] = 1.5F; }}};
  for (const auto& [name, change] : changes)
    EXPECT_NE(after(change, Json::object()), first) << name;
}

}  // namespace
}  // namespace tandem
