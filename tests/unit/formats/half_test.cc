// SPDX-License-Identifier: Apache-2.0
#include "formats/half.h"

#include <gtest/gtest.h>

#include <limits>

namespace tandem {
namespace {

TEST(Half, EveryF16ComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = f16_to_float(static_cast<uint16_t>(bits));
    if (value != value) {
      EXPECT_NE(f16_to_float(float_to_f16(value)), f16_to_float(float_to_f16(value)));
    } else {
      EXPECT_EQ(float_to_f16(value), bits);
    }
  }
}

TEST(Half, NarrowingRoundsToEven) {
  EXPECT_EQ(float_to_f16(1 + 0x1p-11f), 0x3c00);  // half way, down to even
  EXPECT_EQ(float_to_f16(1 + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(float_to_f16(0x1p-25f), 0);
  EXPECT_EQ(float_to_f16(0x1.8p-25f), 1);
  EXPECT_EQ(float_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_bf16(1 + 0x1p-8f), 0x3f80);
  EXPECT_EQ(float_to_bf16(1 + 3 * 0x1p-8f), 0x3f82);
  EXPECT_EQ(float_to_bf16(-0x1p-133f), 0x8001);  // the smallest subnormal
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(bf16_to_float(float_to_bf16(nan)), bf16_to_float(float_to_bf16(nan)));
}

}  // namespace
}  // namespace tandem
