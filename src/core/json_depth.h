// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tandem {

// How deep brackets nest in a JSON text, those in strings aside. O(n). A callback of the parser
// could count too, but makes it look through the whole list at the end of each object in it.
int json_depth(std::string_view text);

}  // namespace tandem
