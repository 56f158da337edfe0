// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/output.h"

namespace tandem {

// Converts a model of llama2.c (the "legacy" .bin that its run.c reads: seven int32 sizes, then
// float32 tensors) into a Hugging Face folder. llama2.c rotates neighbouring elements of a head,
// Hugging Face elements half a head apart, so rows of the q and k projections change places.
// Throws FormatError when sizes and file do not fit, IoError.
void convert_llama2c(const fs::path& file, const Output& output);

}  // namespace tandem
