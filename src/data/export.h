// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/output.h"
#include "data/dataset.h"

namespace tandem {

// Told by tandem-export.json, which says what was exported.
extern const OutputKind kExportFolder;

enum class ExportFormat { kRecbole, kJsonl, kCsv };

// Writes the data set as a new folder, whole or not at all: NAME.inter and NAME.item (RecBole
// atomic files, NAME that of the folder), interactions.jsonl and items.jsonl, or interactions.csv
// and items.csv. Importing it again with the k-core off (--min-user 0 --min-item 0) gives the same
// fingerprint. Times and ratings the data set does not have are left out.
void export_dataset(const Dataset& dataset, ExportFormat format, const Output& output);

// The text as a field of a CSV line: in quotes, and its quotes doubled, where it must be.
std::string csv_field(std::string_view text);

}  // namespace tandem
