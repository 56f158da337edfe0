// SPDX-License-Identifier: Apache-2.0
#include "core/check.h"

#include <cstdio>
#include <cstdlib>

namespace tandem {

void check_failed(const char* file, int line, const char* condition, std::string_view details) {
  fmt::print(stderr, "{}:{}: broken invariant: {}{}{}\n", file, line, condition,
             details.empty() ? "" : ": ", details);
  std::fflush(stderr);
  std::abort();
}

}  // namespace tandem
