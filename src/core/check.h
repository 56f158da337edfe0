// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string_view>

// TANDEM_CHECK(condition, "n = {}", n) aborts on a broken invariant, in release too. Input from
// outside must never reach one: throw an Error for that. TANDEM_DCHECK is compiled in only in
// checked builds.
#define TANDEM_CHECK(condition, ...)                                                       \
  do {                                                                                     \
    if (!(condition)) [[unlikely]]                                                         \
      ::tandem::check_failed(__FILE__, __LINE__, #condition, fmt::format("" __VA_ARGS__)); \
  } while (false)

#ifdef TANDEM_DCHECKS
#define TANDEM_DCHECK(condition, ...) TANDEM_CHECK(condition, __VA_ARGS__)
#else
#define TANDEM_DCHECK(condition, ...) \
  do {                                \
  } while (false)
#endif

namespace tandem {

// Prints where and what, then aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view details);

}  // namespace tandem
