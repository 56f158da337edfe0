// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace tandem {

// `bench figure3`: ranking by letters against writing the ranked list.
void add_figure3_bench(CLI::App& bench);

}  // namespace tandem
