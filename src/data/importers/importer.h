// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "data/import.h"
#include "data/importers/table.h"
#include "data/row_reader.h"

namespace tandem {

using Importer = void (*)(const ImportOptions& options, ReadContext& context, Source& source);

void import_movielens(const ImportOptions& options, ReadContext& context, Source& source);
void import_amazon(const ImportOptions& options, ReadContext& context, Source& source);
void import_recbole(const ImportOptions& options, ReadContext& context, Source& source);
void import_csv(const ImportOptions& options, ReadContext& context, Source& source);
void import_jsonl(const ImportOptions& options, ReadContext& context, Source& source);
void import_sequences(const ImportOptions& options, ReadContext& context, Source& source);
void import_hllm(const ImportOptions& options, ReadContext& context, Source& source);
void import_minionerec(const ImportOptions& options, ReadContext& context, Source& source);

// Refuses --columns with a UsageError that says why the format does not take them.
void refuse_columns(const ImportOptions& options, std::string_view why);

// Item text: --meta, else one of the names beside the interactions; empty when there is none.
fs::path meta_file(const ImportOptions& options, const fs::path& interactions,
                   std::initializer_list<std::string_view> names);

}  // namespace tandem
