// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/file.h"

namespace tandem {

// SHA-256 of a file or of a folder's files by name. Of a file larger than 64 MiB the size and the
// first and last MiB count. IoError.
std::string path_fingerprint(const fs::path& path);

}  // namespace tandem
