// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "eval/compare.h"
#include "eval/evaluation.h"

namespace tandem {

// Recall and NDCG of each system at one cut-off (10, else the largest there is), a row a system:
//
//               Recall@10                NDCG@10
//   popularity  0.0820 [0.0607, 0.1049]  0.0410 [0.0301, 0.0522]
//   lrurec      0.1066 [0.0820, 0.1311]  0.0533 [0.0411, 0.0660]
std::string summary_table(std::span<const Evaluation> systems);

// "lrurec against popularity: NDCG@10 +0.0123 [+0.0021, +0.0226], better", of summary_table's NDCG.
std::string verdict_line(const Comparison& comparison);
// "better", "worse" or "no clear difference", of the second system.
std::string_view verdict_words(const MetricComparison& metric);

// The protocol of systems that were evaluated alike, once: the tied and excluded targets of each,
// resamples, seed and data set.
std::string protocol_paragraph(std::span<const Evaluation> systems);

// Lines of at most `width` columns, broken at blanks; ends with a line end.
std::string wrapped(std::string_view text, size_t width = 80);

}  // namespace tandem
