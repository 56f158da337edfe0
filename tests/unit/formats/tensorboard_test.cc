// SPDX-License-Identifier: Apache-2.0
#include "formats/tensorboard.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "support/temporary_folder.h"

namespace tandem {
namespace {

// CRC-32C bit by bit, by polynomial division, to judge the table.
uint32_t slow_crc(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const bool out = ((crc ^ (static_cast<unsigned char>(byte) >> bit)) & 1) != 0;
      crc >>= 1;
      if (out) crc ^= 0x82F63B78u;
    }
  }
  return ~crc;
}

uint32_t slow_mask(std::string_view bytes) {
  const uint32_t crc = slow_crc(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

template <typename T>
T take(std::string_view& bytes) {
  T value{};
  if (bytes.size() < sizeof value) {
    ADD_FAILURE() << "record cut off";
    bytes = {};
    return value;
  }
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

// The events of a file whose frames all hold.
std::vector<std::string> read_events(const fs::path& path) {
  const std::string file = read_file(path);
  std::string_view rest = file;
  std::vector<std::string> events;
  while (!rest.empty()) {
    const std::string_view length_bytes = rest.substr(0, 8);
    const auto length = take<uint64_t>(rest);
    EXPECT_EQ(take<uint32_t>(rest), slow_mask(length_bytes));
    events.emplace_back(rest.substr(0, length));
    rest.remove_prefix(std::min<size_t>(length, rest.size()));
    EXPECT_EQ(take<uint32_t>(rest), slow_mask(events.back()));
  }
  return events;
}

TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
}

TEST(EventWriter, FramesAndMessagesAreWhatTensorBoardReads) {
  const test::TemporaryFolder folder;
  fs::path path;
  {
    EventWriter writer(folder, 300);
    writer.scalar("loss", 300, 2.5);
    path = writer.path();
  }
  EXPECT_TRUE(path.filename().string().starts_with("events.out.tfevents."));
  const std::vector<std::string> events = read_events(path);
  ASSERT_EQ(events.size(), 3u);

  // key 1/fixed64 and the time, key 2/varint and the step, then the message, worked out by hand.
  const auto tail = [&](size_t index) { return events[index].substr(9); };
  EXPECT_EQ(events[0][0], '\x09');
  EXPECT_EQ(tail(0), std::string_view("\x10\x00\x1a\x0d\x62rain.Event:2", 17));
  EXPECT_EQ(tail(1), "\x10\xac\x02\x3a\x02\x08\x01");
  EXPECT_EQ(tail(2),
            std::string("\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\x20\x40", 18));
}

}  // namespace
}  // namespace tandem
