// SPDX-License-Identifier: Apache-2.0
#include "models/llama2c.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "formats/hf_folder.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

TEST(Llama2c, CutAndHostileFilesAreRefused) {
  const test::TemporaryFolder root;
  const fs::path file = root / "x.bin";
  // dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len
  const std::vector<int32_t> good = {4, 8, 1, 2, 1, 3, 5};
  const int64_t floats = 3 * 4 + 4 + 16 + 8 + 8 + 16 + 4 + 3 * 32 + 4 + 5 * 2;
  const auto refused = [&](const std::vector<int32_t>& sizes, int64_t count) {
    std::string content(reinterpret_cast<const char*>(sizes.data()), sizes.size() * 4);
    content.append(static_cast<size_t>(count) * 4, '\0');
    write_file(file, content);
    try {
      convert_llama2c(file, {root / "model", kModelFolder, true});
      return false;
    } catch (const FormatError&) {
      return true;
    }
  };
  EXPECT_FALSE(refused(good, floats));
  EXPECT_TRUE(refused(good, floats - 1));
  EXPECT_TRUE(refused(good, floats + 1));
  EXPECT_TRUE(refused({4, 8, 1}, 0));
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int32_t value : {0, -7, INT32_MIN, INT32_MAX}) {
      std::vector<int32_t> bad = good;
      bad[i] = value;
      EXPECT_TRUE(refused(bad, floats)) << i << " = " << value;
    }
  }
}

}  // namespace
}  // namespace tandem
