// SPDX-License-Identifier: Apache-2.0
#include "core/version.h"

namespace tandem {

std::string_view program_version() { return TANDEM_VERSION; }
std::string_view program_commit() { return TANDEM_COMMIT; }

}  // namespace tandem
