// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "eval/compare.h"
#include "eval/report/page.h"

namespace tandem {

// What a reader wants first: which system is better, in words and as dot plots of the differences
// with their intervals, one plot a metric. The comparisons are over the same users and the same
// metrics. scope is what stands in the pictures' titles: "all users".
std::string verdict_section(std::span<const Comparison> comparisons, const std::string& scope,
                            SystemColours& colours);

}  // namespace tandem
