// SPDX-License-Identifier: Apache-2.0
#include "data/equal_times.h"

#include <fmt/format.h>

#include "core/plural.h"

namespace tandem {

Json EqualTimesCount::to_json() const {
  return {{"interactions", interactions}, {"users", users}, {"users_decided", users_decided}};
}

std::string equal_times_text(const Json& equal_times, int64_t num_interactions) {
  const auto of = [&](const char* key) { return equal_times.value(key, int64_t{0}); };
  const auto share = [](int64_t part, int64_t all) {
    return all == 0 ? 0.0 : 100 * static_cast<double>(part) / static_cast<double>(all);
  };
  const int64_t users = of("users");
  return fmt::format(
      "{:.1f} % of the interactions share user and time with another; an equal time decides what "
      "is held out for {:.1f} % of {}",
      share(of("interactions"), num_interactions), share(of("users_decided"), users),
      counted(users, "user"));
}

}  // namespace tandem
