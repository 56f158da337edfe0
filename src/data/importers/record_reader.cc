// SPDX-License-Identifier: Apache-2.0
#include "data/importers/record_reader.h"

#include <algorithm>

namespace tandem {

bool RecordReader::next(std::vector<std::string_view>& fields) {
  if (quotes_) return csv_.next(fields);
  while (!left_.empty()) {
    const size_t size = std::min(left_.find('\n'), left_.size());
    record_ = left_.substr(0, size);
    left_.remove_prefix(std::min(size + 1, left_.size()));
    ++line_;
    if (record_.ends_with('\r')) record_.remove_suffix(1);
    if (record_.empty()) continue;
    split_fields(record_, separator_, fields);
    return true;
  }
  return false;
}

}  // namespace tandem
