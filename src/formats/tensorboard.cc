// SPDX-License-Identifier: Apache-2.0
#include "formats/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>

#include "core/error.h"

namespace tandem {
namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit)
      remainder = (remainder >> 1) ^ (remainder & 1 ? 0x82F63B78u : 0u);
    table[byte] = remainder;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

// TFRecord's mask: a CRC of bytes that hold CRCs themselves would be weak.
uint32_t masked_crc(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8u; }

template <typename T>
void append_little_endian(std::string& out, T value) {
  std::array<char, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), &value, sizeof value);
  out.append(bytes.data(), bytes.size());
}

// Protocol buffer wire format: a key (field << 3 | wire type), then a varint (0), eight bytes (1),
// a length and bytes (2), or four bytes (5).
void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

void append_integer(std::string& out, uint32_t field, int64_t value) {
  append_varint(out, field << 3);
  append_varint(out, static_cast<uint64_t>(value));
}

void append_bytes(std::string& out, uint32_t field, std::string_view value) {
  append_varint(out, field << 3 | 2);
  append_varint(out, value.size());
  out += value;
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5;
//         SessionLog session_log = 7; }
std::string event_head(int64_t step) {
  std::string event;
  append_varint(event, 1 << 3 | 1);
  append_little_endian(event, wall_time());
  append_integer(event, 2, step);
  return event;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes)
    crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~crc;
}

EventWriter::EventWriter(const fs::path& folder, std::optional<int64_t> purge_from) {
  static std::atomic<int> count{0};  // two writers of one process in one second
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host = {'h', 'o', 's', 't'};
  path_ = folder / fmt::format("events.out.tfevents.{:010d}.{}.{}.{}",
                               static_cast<int64_t>(wall_time()), host.data(), ::getpid(), count++);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) throw IoError("{}: cannot create: {}", path_.string(), std::strerror(errno));
  std::string first = event_head(0);
  append_bytes(first, 3, "brain.Event:2");
  write_record(first);
  if (purge_from) {
    std::string start = event_head(*purge_from);
    std::string session;  // SessionLog { SessionStatus status = 1; } with START = 1
    append_integer(session, 1, 1);
    append_bytes(start, 7, session);
    write_record(start);
  }
}

EventWriter::~EventWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void EventWriter::scalar(std::string_view tag, int64_t step, double value) {
  // Summary { repeated Value value = 1; }  Value { string tag = 1; float simple_value = 2; }
  std::string entry;
  append_bytes(entry, 1, tag);
  append_varint(entry, 2 << 3 | 5);
  append_little_endian(entry, static_cast<float>(value));
  std::string summary;
  append_bytes(summary, 1, entry);
  std::string event = event_head(step);
  append_bytes(event, 5, summary);
  write_record(event);
}

void EventWriter::write_record(std::string_view event) {
  std::string length, record;
  append_little_endian(length, uint64_t{event.size()});
  record = length;
  append_little_endian(record, masked_crc(length));
  record += event;
  append_little_endian(record, masked_crc(event));
  if (::write(fd_, record.data(), record.size()) != static_cast<ssize_t>(record.size()))
    throw IoError("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

}  // namespace tandem
