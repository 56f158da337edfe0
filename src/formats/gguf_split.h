// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "formats/gguf.h"

namespace tandem {

// Large models come in parts NAME-00001-of-00003.gguf ..., as llama.cpp's gguf-split writes them:
// split.no counts from 0, split.count and split.tensors.count are those of the whole, and only the
// first part has the other keys. Any part stands for the whole.
//
// The file itself when it is no part, else all parts in their order. FormatError names the part
// that is missing or is another one than its name says; IoError.
std::vector<GgufMetadata> open_gguf_parts(const fs::path& path);

// Only the part with the keys of the model and its tokenizer.
GgufMetadata open_gguf_keys(const fs::path& path);

}  // namespace tandem
