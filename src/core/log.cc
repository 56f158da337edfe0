// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>

namespace tandem {

void init_log() {
  auto logger = spdlog::stderr_color_mt("tandem");
  logger->set_pattern("%^%l%$ %v");
  spdlog::set_default_logger(logger);
  if (const char* level = std::getenv("TANDEM_LOG"))
    spdlog::set_level(spdlog::level::from_str(level));
}

}  // namespace tandem
