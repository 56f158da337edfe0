// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/clock.h"

namespace tandem {

// Progress of long work on standard error: a bar on a terminal, one line every few seconds
// otherwise, with the share done, the speed and the time left. total 0 means unknown. Not for
// concurrent use.
class Progress {
 public:
  Progress(std::string label, int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // done is absolute; note is shown behind ("loss 5.83"). first_done sets where a resumed run
  // began.
  void update(int64_t done, const std::string& note = "");
  // The time left, where the caller knows better than the speed so far; until the next call.
  // at_most: the work may be done sooner.
  void expect(double seconds_left, bool at_most);
  void resume_at(int64_t done) { first_done_ = done; }
  // Ends the line; further output starts on a new one.
  void finish();

 private:
  void draw(bool last);

  std::string label_, unit_, note_;
  int64_t total_, done_ = 0, first_done_ = 0;
  std::optional<double> seconds_left_;
  bool at_most_ = false;
  bool terminal_, finished_ = false, drawn_ = false;
  double last_drawn_ = -1e9;
  Stopwatch watch_;
};

// Quiet mode: no progress at all (--quiet).
void set_progress_enabled(bool enabled);

}  // namespace tandem
