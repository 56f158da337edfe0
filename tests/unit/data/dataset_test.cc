// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "core/error.h"
#include "core/json.h"
#include "core/sha256.h"
#include "data/dataset_files.h"
#include "data/raw_log.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

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

// Everything a data set holds, as text: a line a user, a line an item.
std::string content(const Dataset& data) {
  std::string text;
  for (int64_t user = 0; user < data.num_users(); ++user) {
    text += fmt::format("{}:", data.user_id(user));
    const auto items = data.items(user);
    const auto times = data.timestamps(user);
    const auto ratings = data.ratings(user);
    EXPECT_EQ(times.size(), items.size());
    EXPECT_EQ(ratings.size(), items.size());
    for (size_t i = 0; i < items.size(); ++i)
      text += fmt::format(" {}@{}*{}", items[i], times[i], ratings[i]);
    text += '\n';
  }
  for (int32_t item = 1; item <= data.num_items(); ++item)
    text += fmt::format("{} {} {}\n", item, data.item_id(item), data.title(item));
  return text;
}

TEST(Dataset, HoldsWhatWasWritten) {
  const test::TemporaryFolder root;
  const fs::path written = root / "written", folder = root / "moved";
  write_dataset(written, small_log());
  fs::rename(written, folder);  // nothing of the writer is left but the files
  const Dataset data = Dataset::open(folder);
  EXPECT_EQ(data.num_users(), 2);
  EXPECT_EQ(data.num_items(), 3);
  EXPECT_EQ(data.num_interactions(), 5);
  // 9 before 10 is numeric order, not bytes; equal times stay in file order.
  EXPECT_EQ(content(data),
            "9: 3@5*1 2@5*nan\n"
            "10: 1@10*nan 3@20*nan 2@30*2.5\n"
            "1 a Apple\n"
            "2 b b\n"
            "3 c Cherry\n");
  EXPECT_EQ(data.find_user("9"), 0);
  EXPECT_EQ(data.find_user("10"), 1);
  EXPECT_EQ(data.find_user("11"), std::nullopt);
  EXPECT_EQ(data.find_item("a"), 1);
  EXPECT_EQ(data.find_item("c"), 3);
  EXPECT_EQ(data.find_item("d"), std::nullopt);
  EXPECT_EQ(data.folder(), folder);
  EXPECT_EQ(read_file(folder / "items.jsonl"),
            "{\"item\":1,\"item_id\":\"a\",\"title\":\"Apple\",\"colour\":\"red\"}\n"
            "{\"item\":2,\"item_id\":\"b\",\"title\":\"\"}\n"
            "{\"item\":3,\"item_id\":\"c\",\"title\":\"Cherry\"}\n");
}

TEST(Dataset, DatasetJsonSaysHowItWasMade) {
  const test::TemporaryFolder root;
  const fs::path folder = root / "about";
  const PrepareReport report = write_dataset(
      folder, small_log(),
      {.min_user = 2, .min_item = 1, .ties = EqualTimes::kItem, .drop_items = {"c", "x"}});
  EXPECT_EQ(report.raw_users, 2);
  EXPECT_EQ(report.raw_items, 3);
  EXPECT_EQ(report.raw_interactions, 5);
  EXPECT_EQ(report.num_users, 1);
  EXPECT_EQ(report.num_items, 2);
  EXPECT_EQ(report.num_interactions, 2);
  EXPECT_EQ(report.titled_items, 1);
  Json json = read_json(folder / "dataset.json");
  EXPECT_EQ(json["fingerprint"], report.fingerprint);
  json.erase("fingerprint");
  EXPECT_EQ(json, Json::parse(R"({"format":"tandem-dataset","version":1,
      "num_users":1,"num_items":2,"num_interactions":2,
      "raw":{"users":2,"items":3,"interactions":5},"titled_items":1,
      "min_user":2,"min_item":1,"drop_untitled":false,
      "dropped":{"items":{"ids":2,"unknown_ids":1,"interactions":2},"untitled":0},
      "ties":"item","split":"leave-one-out"})"));
}

// docs/formats.md, field by field.
TEST(Dataset, InteractionsFileHasTheDocumentedLayout) {
  const test::TemporaryFolder root;
  const fs::path folder = root / "layout";
  write_dataset(folder, small_log());
  const std::string bytes = read_file(folder / "interactions.bin");
  ASSERT_EQ(bytes.size(), 8 + 3 * 8 + 3 * 8 + 5 * (8 + 4 + 4));
  const auto numbers = [&]<typename T>(T, size_t at, size_t count) {
    std::vector<T> values(count);
    std::memcpy(values.data(), bytes.data() + at, count * sizeof(T));
    return values;
  };
  EXPECT_EQ(bytes.substr(0, 8), "TNDMINT1");
  EXPECT_EQ(numbers(uint64_t{}, 8, 6), (std::vector<uint64_t>{2, 3, 5, 0, 2, 5}));
  EXPECT_EQ(numbers(int64_t{}, 56, 5), (std::vector<int64_t>{5, 5, 10, 20, 30}));
  EXPECT_EQ(numbers(int32_t{}, 96, 5), (std::vector<int32_t>{3, 2, 1, 3, 2}));
  const std::vector<float> ratings = numbers(float{}, 116, 5);
  EXPECT_EQ(ratings[0], 1.0F);
  EXPECT_EQ(ratings[4], 2.5F);
  for (const size_t i : {1, 2, 3}) EXPECT_TRUE(std::isnan(ratings[i])) << i;
}

TEST(Dataset, FingerprintIsTheHashOfTheFiles) {
  const test::TemporaryFolder root;
  const fs::path folder = root / "hash";
  const PrepareReport report = write_dataset(folder, small_log());
  std::string bytes;
  for (const char* name : {"users.bin", "items.bin", "interactions.bin", "items.jsonl"})
    bytes += read_file(folder / name);
  EXPECT_EQ(report.fingerprint, sha256_hex(bytes));
}

// One user; times 7 7 3 7 3 in the file, items d b c a b.
TEST(Dataset, EqualTimesKeepTheFilesOrderOrGoByItem) {
  RawLog log;
  log.interactions = {{"u", "d", 7}, {"u", "b", 7}, {"u", "c", 3}, {"u", "a", 7}, {"u", "b", 3}};
  const auto order = [&](EqualTimes ties) {
    const test::TemporaryFolder root;
    const fs::path folder = root / "ties";
    write_dataset(folder, log, {.ties = ties});
    return items_of(Dataset::open(folder), 0);
  };
  EXPECT_EQ(order(EqualTimes::kFile), (std::vector<int32_t>{3, 2, 4, 2, 1}));
  EXPECT_EQ(order(EqualTimes::kItem), (std::vector<int32_t>{2, 3, 1, 2, 4}));
}

// Fractions order, whole seconds are kept.
TEST(Dataset, FractionsOfASecondOrder) {
  constexpr uint64_t kTenth = kFractionOne / 10;
  InteractionLog log;
  for (const auto& [item, time] : {std::pair<const char*, ExactTime>{"a", {2, 9 * kTenth}},
                                   {"b", {2, kTenth}},
                                   {"c", {0, 999}},
                                   {"d", {2}},
                                   {"e", {-1, 5 * kTenth}}})
    log.add(log.users.add("u"), log.items.add(item), time, kNoRating);
  const test::TemporaryFolder root;
  const fs::path folder = root / "fractions";
  write_dataset(folder, std::move(log), {}, {}, Json::object());
  EXPECT_EQ(content(Dataset::open(folder)),
            "u: 5@-1*nan 3@0*nan 4@2*nan 2@2*nan 1@2*nan\n1 a a\n2 b b\n3 c c\n4 d d\n5 e e\n");
}

// Users of one to five interactions with the items 1, 2, ... in this order.
TEST(Dataset, LeaveOneOutHoldsTheLastTwoBack) {
  RawLog log;
  for (int user = 1; user <= 5; ++user) {
    for (int item = 1; item <= user; ++item)
      log.interactions.push_back({std::to_string(user), std::to_string(item), item});
  }
  const test::TemporaryFolder root;
  const fs::path folder = root / "split";
  write_dataset(folder, log);
  const Dataset data = Dataset::open(folder);
  std::string splits;
  const auto list = [&](std::span<const int32_t> items) {
    for (const int32_t item : items) splits += std::to_string(item);
  };
  for (int64_t user = 0; user < 5; ++user) {
    list(train_items(data, user));
    for (const Split split : {Split::kValid, Split::kTest}) {
      splits += " ";
      list(input_items(data, user, split));
      splits += ">";
      splits += std::to_string(target_item(data, user, split).value_or(0));
    }
    splits += "\n";
  }
  EXPECT_EQ(splits,
            "1 1>0 1>0\n"
            "12 12>0 12>0\n"
            "1 1>2 12>3\n"
            "12 12>3 123>4\n"
            "123 123>4 1234>5\n");
}

TEST(Dataset, RefusesAnExistingFolderUnlessToldTo) {
  const test::TemporaryFolder root;
  const fs::path folder = root / "exists";
  write_dataset(folder, small_log());
  EXPECT_THROW(write_dataset(folder, small_log()), IoError);
  EXPECT_NO_THROW(write_dataset({folder, kDatasetFolder, true}, small_log()));
}

TEST(Dataset, NothingLeftIsAnErrorAndLeavesNoFolder) {
  const test::TemporaryFolder root;
  const fs::path folder = root / "empty";
  EXPECT_THROW(write_dataset(folder, small_log(), {.min_user = 5}), DataError);
  EXPECT_FALSE(fs::exists(folder));
}

// Every truncation and every changed header or item byte must end in an error or in a usable set,
// never in a read outside the files.
TEST(Dataset, CorruptFilesAreRefused) {
  const test::TemporaryFolder root;
  const fs::path folder = root / "corrupt";
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
