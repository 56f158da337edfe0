// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/spdlog.h>

namespace tandem {

// Log lines go to standard error, standard output is for results. Level from TANDEM_LOG (trace ..
// off), info by default.
void init_log();

}  // namespace tandem
