// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace tandem {

// Parts of the verb `model`.
void add_model_convert(CLI::App& model);
void add_model_merge(CLI::App& model);

}  // namespace tandem
