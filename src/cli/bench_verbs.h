// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace tandem {

// Seconds of the fastest of several calls: other work on the machine only ever adds.
double fastest(int times, const std::function<void()>& work);
// The machine's float32 ceiling a core, as far as a large product on oneDNN shows it.
double sgemm_gflops();

// `bench retriever`: the engine on a run.
void add_retriever_bench(CLI::App& bench);
// `bench figure3`: ranking by letters against writing the ranked list.
void add_figure3_bench(CLI::App& bench);

}  // namespace tandem
