// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// What separates the columns of a table, told from its first lines: of tab , ; | ^ \x01 :: and
// blank the one whose header has the most known names (the usual ones, and those given), then the
// one that gives most lines as many columns as the header, then the first. "," when none is there.
std::string guess_separator(std::string_view sample, const std::vector<std::string>& known);

}  // namespace tandem
