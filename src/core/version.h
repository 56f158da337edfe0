// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tandem {

std::string_view program_version();
// The commit this program was built from, "-dirty" behind it when files differed; "unknown" without
// git.
std::string_view program_commit();

}  // namespace tandem
