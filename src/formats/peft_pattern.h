// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tandem {

// As PEFT's get_pattern_key(): Python's re.match of "(.*\.)?(PATTERN)$", so a pattern stands for the
// whole name or what follows a dot. FormatError names `where` for what Python would refuse.
bool peft_pattern_matches(std::string_view pattern, std::string_view module,
                          std::string_view where = "pattern");

// FormatError unless it can be matched.
void check_peft_pattern(std::string_view pattern, std::string_view where);

}  // namespace tandem
