// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/file.h"

namespace tandem {

// The files of a Hugging Face folder that may define its tokenizer.
const std::vector<std::string>& tokenizer_file_names();

// SHA-256 over the names and contents of those that are there. Throws IoError.
std::string tokenizer_fingerprint(const fs::path& folder);

// Copies those that are there. Throws IoError.
void copy_tokenizer(const fs::path& from, const fs::path& to);

}  // namespace tandem
