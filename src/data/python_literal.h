// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "core/json.h"

namespace tandem {

// Reads one Python literal (dict, list, tuple, string, number, True, False, None), the form of the
// 2014 Amazon metadata lines. Tuples become arrays, keys become text, surrogates become U+FFFD.
// Nesting deeper than 100 is refused. Throws BadLine.
Json parse_python_literal(std::string_view text);

}  // namespace tandem
