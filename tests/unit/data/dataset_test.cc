// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "core/error.h"
#include "core/sha256.h"
#include "data/dataset_files.h"
#include "data/raw_log.h"

namespace tandem {
namespace {

fs::path fresh_folder(const std::string& name) {
  const fs::path folder =
      fs::temp_directory_path() / ("tandem_dataset_test_" + std::to_string(::getpid())) / name;
  fs::remove_all(folder);
  fs::create_directories(folder.parent_path());
  return folder;
}

// Without write_file's fsync, which thousands of small files would wait for.
void put(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

RawLog small_log() {
  RawLog log;
  log.interactions = {
      {"10", "b", 30, 2.5F}, {"10", "a", 10}, {"9", "c", 5, 1.0F}, {"10", "c", 20}, {"9", "b", 5}};
  log.items = {{"a", "Apple", {{"colour", "red"}}}, {"c", "Cherry", {}}};
  return log;
}

std::vector<int32_t> items_of(const Dataset& data, int64_t user) {
  const auto items = data.items(user);
  return {items.begin(), items.end()};
}

TEST(Dataset, HoldsWhatWasWritten) {
  const fs::path folder = fresh_folder("small");
  const PrepareReport report = write_dataset(folder, small_log());
  const Dataset data = Dataset::open(folder);
  EXPECT_EQ(data.num_users(), 2);
  EXPECT_EQ(data.num_items(), 3);
  EXPECT_EQ(data.num_interactions(), 5);
  EXPECT_EQ(data.user_id(0), "9");  // numeric order, not bytes
  EXPECT_EQ(data.user_id(1), "10");
  EXPECT_EQ(items_of(data, 0), (std::vector<int32_t>{3, 2}));  // equal times stay in file order
  EXPECT_EQ(items_of(data, 1), (std::vector<int32_t>{1, 3, 2}));
  EXPECT_EQ(data.timestamps(1)[2], 30);
  EXPECT_EQ(data.ratings(1)[2], 2.5F);
  EXPECT_TRUE(std::isnan(data.ratings(1)[0]));
  EXPECT_EQ(data.title(1), "Apple");
  EXPECT_EQ(data.title(2), "b");
  EXPECT_EQ(data.find_user("10"), 1);
  EXPECT_EQ(data.find_user("11"), std::nullopt);
  EXPECT_EQ(data.find_item("c"), 3);
  EXPECT_EQ(data.find_item("d"), std::nullopt);
  EXPECT_EQ(data.fingerprint(), report.fingerprint);
}

TEST(Dataset, FingerprintIsTheHashOfTheFiles) {
  const fs::path folder = fresh_folder("hash");
  const PrepareReport report = write_dataset(folder, small_log());
  std::string bytes;
  for (const char* name : {"users.bin", "items.bin", "interactions.bin", "items.jsonl"})
    bytes += read_file(folder / name);
  EXPECT_EQ(report.fingerprint, sha256_hex(bytes));
}

TEST(Dataset, TieRuleItemOrdersEqualTimesByDenseIndex) {
  const fs::path folder = fresh_folder("ties");
  write_dataset(folder, small_log(), {.ties = TieRule::kItem});
  EXPECT_EQ(items_of(Dataset::open(folder), 0), (std::vector<int32_t>{2, 3}));
}

TEST(Dataset, LeaveOneOutHoldsTheLastTwoBack) {
  const fs::path folder = fresh_folder("split");
  write_dataset(folder, small_log());
  const Dataset data = Dataset::open(folder);
  EXPECT_EQ(train_items(data, 1).size(), 1U);
  EXPECT_EQ(target_item(data, 1, Split::kValid), 3);
  EXPECT_EQ(target_item(data, 1, Split::kTest), 2);
  EXPECT_EQ(input_items(data, 1, Split::kTest).size(), 2U);
  EXPECT_EQ(target_item(data, 0, Split::kTest), std::nullopt);  // two interactions: trains only
  EXPECT_EQ(train_items(data, 0).size(), 2U);
}

TEST(Dataset, RefusesAnExistingFolderUnlessToldTo) {
  const fs::path folder = fresh_folder("exists");
  write_dataset(folder, small_log());
  EXPECT_THROW(write_dataset(folder, small_log()), IoError);
  EXPECT_NO_THROW(write_dataset({folder, kDatasetFolder, true}, small_log()));
}

TEST(Dataset, NothingLeftIsAnErrorAndLeavesNoFolder) {
  const fs::path folder = fresh_folder("empty");
  EXPECT_THROW(write_dataset(folder, small_log(), {.min_user = 5}), DataError);
  EXPECT_FALSE(fs::exists(folder));
}

// Every truncation and every changed header or item byte must end in an error or in a usable set,
// never in a read outside the files.
TEST(Dataset, CorruptFilesAreRefused) {
  const fs::path folder = fresh_folder("corrupt");
  write_dataset(folder, small_log());
  int refused = 0;
  const auto use = [&] {
    try {
      const Dataset data = Dataset::open(folder);
      for (int64_t user = 0; user < data.num_users(); ++user) {
        (void)data.user_id(user);
        for (const int32_t item : data.items(user)) (void)data.title(item);
      }
      (void)data.find_item("b");
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::kBadData) << error.what();
      ++refused;
    }
  };
  for (const char* name : {"users.bin", "items.bin", "interactions.bin"}) {
    const std::string good = read_file(folder / name);
    for (size_t size = 0; size < good.size(); ++size) {
      put(folder / name, good.substr(0, size));
      const int before = refused;
      use();
      EXPECT_EQ(refused, before + 1) << name << " cut to " << size;
    }
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x80);
      put(folder / name, bad);
      use();
    }
    put(folder / name, good);
  }
  write_file(folder / "dataset.json", "{\"format\":\"other\"}");
  EXPECT_THROW(Dataset::open(folder), FormatError);
  fs::remove(folder / "dataset.json");
  EXPECT_THROW(Dataset::open(folder), FormatError);
}

}  // namespace
}  // namespace tandem
