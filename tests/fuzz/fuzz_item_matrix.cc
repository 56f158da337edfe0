// SPDX-License-Identifier: Apache-2.0
// The input is an item matrix. What is accepted has as many ids as items and rows that can be read;
// the corpus has one of each type.
#include <cstdint>
#include <vector>

#include "core/check.h"
#include "core/error.h"
#include "fuzz/memory_file.h"
#include "models/item_matrix.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  try {
    const MemoryFile input(data, size);
    const ItemMatrix matrix(input.path());
    TANDEM_CHECK(matrix.rows() >= 1 && matrix.width() >= 1);
    TANDEM_CHECK(static_cast<uint64_t>(matrix.rows()) <= size);
    std::vector<float> row(matrix.width());
    size_t ids = 0;
    for (int64_t r = 0; r < matrix.rows(); ++r) {
      matrix.read(r, row.data());
      if (r > 0) ids += matrix.item_id(r).size();
    }
    TANDEM_CHECK(ids <= size);
  } catch (const Error&) {
  }
  return 0;
}
