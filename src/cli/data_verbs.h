// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace tandem {

// Sub-verbs of `data` that have a file of their own.
void add_data_import_verb(CLI::App& data);

}  // namespace tandem
