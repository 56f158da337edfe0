// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/file.h"

namespace tandem {

// The files of a Hugging Face folder that may define its tokenizer.
const std::vector<std::string>& tokenizer_file_names();

// SHA-256 over the names and contents of those that are there. Of a GGUF file that of the files
// which write_gguf_tokenizer() makes of it, so that a converted folder has the same. Throws
// FormatError, IoError.
std::string tokenizer_fingerprint(const fs::path& model);

// Copies those that are there, and chat_template.jinja; makes them of a GGUF file. Throws
// FormatError, IoError.
void copy_tokenizer(const fs::path& from, const fs::path& to);

}  // namespace tandem
