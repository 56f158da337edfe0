// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/file.h"

namespace tandem {

// A model folder's generation_config.json. Of it only the tokens that end a text are used: how
// texts are drawn is asked for on the command line, and never changes an evaluation.

// eos_token_id, a number or a list; nothing without the file or the key. Throws FormatError naming
// file and key, IoError.
std::vector<int64_t> generation_eos_tokens(const fs::path& folder);

// Keys in the file that ask for another way to draw or stop than the likeliest token; none for what
// is no folder.
std::vector<std::string> generation_settings(const fs::path& folder);

}  // namespace tandem
