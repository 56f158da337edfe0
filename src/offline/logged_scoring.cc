// SPDX-License-Identifier: Apache-2.0
#include "offline/logged_scoring.h"

#include <algorithm>

#include "core/error.h"
#include "core/interrupt.h"

namespace tandem {

std::vector<float> LoggedScoring::begin(const std::string& name, const std::string& label,
                                        int64_t rows, int64_t columns) {
  name_ = name;
  columns_ = columns;
  std::vector<float> kept;
  if (log_ != nullptr) kept = log_->rows_of(name);
  done_ = std::min(std::ssize(kept) / columns, rows);
  progress_.emplace(label, rows, "users");
  progress_->resume_at(done_);
  return kept;
}

void LoggedScoring::finished(const float* rows, int64_t count) {
  if (log_ != nullptr) log_->append(name_, rows, count, columns_);
  if (interrupted()) throw Stopped("stopped before all users were ranked; nothing was written");
  done_ += count;
  progress_->update(done_);
}

void LoggedScoring::end() { progress_.reset(); }

}  // namespace tandem
