// SPDX-License-Identifier: Apache-2.0
#include "core/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/process_state.h"

namespace tandem {
namespace {

constexpr double kTerminalPeriod = 0.2, kLinePeriod = 5.0;

}  // namespace

void set_progress_enabled(bool enabled) { process_state().shows_progress = enabled; }

Progress::Progress(std::string label, int64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) != 0) {
  last_drawn_ = terminal_ ? -1e9 : 0;
}

Progress::~Progress() { finish(); }

void Progress::update(int64_t done, const std::string& note) {
  done_ = done;
  note_ = note;
  const double now = watch_.seconds();
  if (now - last_drawn_ < (terminal_ ? kTerminalPeriod : kLinePeriod)) return;
  last_drawn_ = now;
  draw(false);
}

void Progress::expect(double seconds_left, bool at_most) {
  seconds_left_ = seconds_left;
  at_most_ = at_most;
}

void Progress::finish() {
  if (std::exchange(finished_, true)) return;
  if (terminal_ ? drawn_ : done_ > 0) draw(true);
}

void Progress::draw(bool last) {
  if (!process_state().shows_progress) return;
  drawn_ = true;
  const double seconds = watch_.seconds();
  const double speed = static_cast<double>(done_ - first_done_) / std::max(seconds, 1e-9);
  std::string line = label_ + "  ";
  if (total_ > 0) {
    const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    constexpr int kWidth = 24;
    const int filled = static_cast<int>(share * kWidth);
    if (terminal_) line += fmt::format("[{:#<{}}{: <{}}] ", "", filled, "", kWidth - filled);
    line += fmt::format("{:3.0f} %  {}/{} {}", 100 * share, done_, total_, unit_);
  } else {
    line += fmt::format("{} {}", done_, unit_);
  }
  line += fmt::format("  {:.{}f}/s", speed, speed < 10 ? 1 : 0);
  if (last) {
    line += "  in " + format_duration(seconds);
  } else if (total_ > 0 && (seconds_left_ || speed > 0)) {
    const double left =
        seconds_left_ ? *seconds_left_ : static_cast<double>(total_ - done_) / speed;
    line += fmt::format("  {}{} left", at_most_ ? "at most " : "", format_duration(left));
  }
  if (!note_.empty()) line += "  " + note_;
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}{}", line, last ? "\n" : "");
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace tandem
