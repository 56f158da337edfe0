// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "core/file.h"

namespace tandem {

// The entries of a zip archive that are stored without compression, as spans into `file`, by name.
// Zip64 is read. CRCs are not compared: PyTorch can be told not to write them. Throws FormatError,
// naming `where`, on anything else: compressed or encrypted entries, names that occur twice,
// positions outside the file.
std::map<std::string, std::span<const std::byte>> read_stored_zip(std::span<const std::byte> file,
                                                                  const std::string& where);

}  // namespace tandem
