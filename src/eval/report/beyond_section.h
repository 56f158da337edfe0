// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "eval/beyond_utility.h"
#include "eval/report/page.h"

namespace tandem {

// One set of users' part of the page, with its heading: table of the lists' metrics, charts of
// accuracy against shortened histories and against the place of the truth, what generation gave,
// examples.
std::string beyond_section(const BeyondUtility& beyond, SystemColours& colours);

}  // namespace tandem
