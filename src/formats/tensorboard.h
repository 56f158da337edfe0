// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/file.h"

namespace tandem {

// CRC-32C (Castagnoli), as TFRecord frames use it.
uint32_t crc32c(std::string_view bytes);

// One TensorBoard event file of scalars, events.out.tfevents.TIME.HOST.PID in the given folder:
// TFRecord frames around Event messages. Every call is one write, so a crash can only cut off the
// last frame, which readers skip. Not for concurrent use. Throws IoError.
class EventWriter {
 public:
  // A resumed run starts a file of its own; purge_from hides what earlier files say of that step
  // and later ones.
  explicit EventWriter(const fs::path& folder, std::optional<int64_t> purge_from = std::nullopt);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  void scalar(std::string_view tag, int64_t step, double value);
  const fs::path& path() const { return path_; }

 private:
  void write_record(std::string_view event);

  fs::path path_;
  int fd_ = -1;
};

}  // namespace tandem
