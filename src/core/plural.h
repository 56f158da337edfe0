// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace tandem {

// The noun for a count: one for 1, else many, which is one with an s unless it is given.
inline std::string plural(int64_t count, std::string_view one, std::string_view many = {}) {
  if (count == 1) return std::string(one);
  return many.empty() ? std::string(one) + 's' : std::string(many);
}

// "1 user", "2 users", "0 histories".
inline std::string counted(int64_t count, std::string_view one, std::string_view many = {}) {
  return fmt::format("{} {}", count, plural(count, one, many));
}

}  // namespace tandem
