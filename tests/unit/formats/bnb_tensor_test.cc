// SPDX-License-Identifier: Apache-2.0
#include "formats/bnb_tensor.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "core/error.h"
#include "core/rng.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

class BnbTensor : public testing::Test {
 protected:
  void SetUp() override {
    write_json(folder_ / "config.json", Json::object());
    Rng rng(5);
    for (float& v : values_) v = static_cast<float>(rng.normal());
  }

  Nf4Tensor quantised(bool nested) const {
    const std::vector<int64_t> shape = {40, 50};
    return nf4_quantize(values_, shape, {.double_quant = nested});
  }
  // Writes w with its tensors changed, and reads it back.
  Nf4Tensor reread(bool nested, const std::function<void(std::vector<TensorView>&)>& change = {}) {
    const BnbTensors parts = bnb_nf4_tensors("w", quantised(nested), "bfloat16");
    std::vector<TensorView> views = parts.views;
    if (change) change(views);
    write_safetensors(folder_ / "model.safetensors", views);
    opened_ = std::make_unique<HfFolder>(folder_);
    EXPECT_TRUE(is_bnb_4bit(*opened_, "w"));
    return read_bnb_nf4(*opened_, "w");
  }
  static TensorView& part(std::vector<TensorView>& views, const std::string& name) {
    return *std::find_if(views.begin(), views.end(),
                         [&](const TensorView& view) { return view.name == name; });
  }

  const test::TemporaryFolder folder_;
  std::vector<float> values_ = std::vector<float>(2000);
  std::unique_ptr<HfFolder> opened_;
};

TEST_F(BnbTensor, WhatIsWrittenIsReadInEveryBit) {
  for (const bool nested : {false, true}) {
    const Nf4Tensor want = quantised(nested), got = reread(nested);
    EXPECT_EQ(got.shape, want.shape);
    EXPECT_EQ(got.is_double(), nested);
    EXPECT_EQ(got.offset, want.offset);
    std::vector<float> a(2000), b(2000);
    want.dequantize(0, 2000, a.data());
    got.dequantize(0, 2000, b.data());
    EXPECT_EQ(a, b);
  }
}

// The names that bitsandbytes reads, and every number of the second level from where it lies.
TEST_F(BnbTensor, TheStateIsBitsandbytesOwn) {
  const Nf4Tensor w = quantised(true);
  const BnbTensors parts = bnb_nf4_tensors("w", w, "bfloat16");
  std::vector<TensorView> views = parts.views;
  const std::span<const std::byte> bytes = part(views, "w.quant_state.bitsandbytes__nf4").bytes;
  EXPECT_EQ(parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "state"),
            (Json{{"quant_type", "nf4"},
                  {"blocksize", 64},
                  {"dtype", "bfloat16"},
                  {"shape", {40, 50}},
                  {"nested_blocksize", 256},
                  {"nested_dtype", "float32"},
                  {"nested_offset", static_cast<double>(w.offset)}}));
  EXPECT_EQ(part(views, "w").shape, (std::vector<int64_t>{1000, 1}));
  EXPECT_EQ(part(views, "w.absmax").dtype, DType::kU8);

  // Another offset, blocks of 128 in groups of 8 and a map of the file's own.
  const std::string text =
      R"({"quant_type":"nf4","blocksize":128,"nested_blocksize":8,"nested_offset":0.5,)"
      R"("shape":[40,50]})";
  std::vector<float> map(256), absmax2{2, 4};
  for (size_t i = 0; i < 256; ++i) map[i] = static_cast<float>(i);
  std::vector<uint8_t> codes(16);
  for (size_t i = 0; i < 16; ++i) codes[i] = static_cast<uint8_t>(i + 1);
  const Nf4Tensor other = reread(true, [&](std::vector<TensorView>& all) {
    const auto put = [&](const std::string& name, std::span<const std::byte> data, int64_t count) {
      part(all, name).bytes = data;
      part(all, name).shape = {count};
    };
    put("w.quant_state.bitsandbytes__nf4", std::as_bytes(std::span(text.data(), text.size())),
        std::ssize(text));
    put("w.nested_quant_map", std::as_bytes(std::span(map)), 256);
    put("w.nested_absmax", std::as_bytes(std::span(absmax2)), 2);
    put("w.absmax", std::as_bytes(std::span(codes)), 16);
  });
  EXPECT_EQ(other.scale(0), 1 * 2 + 0.5f);
  EXPECT_EQ(other.scale(7), 8 * 2 + 0.5f);
  EXPECT_EQ(other.scale(8), 9 * 4 + 0.5f);
  std::vector<float> values(2000);
  other.dequantize(0, 2000, values.data());
  const uint8_t pair = w.codes[64];  // elements 128 and 129, of block 1
  EXPECT_EQ(values[128], kNf4Table[pair >> 4] * 4.5f);
  EXPECT_EQ(values[129], kNf4Table[pair & 15] * 4.5f);
}

TEST_F(BnbTensor, PartsThatDoNotFitAreErrors) {
  const std::string state = "w.quant_state.bitsandbytes__nf4";
  const auto refused = [&](const std::function<void(std::vector<TensorView>&)>& change) {
    try {
      reread(true, change);
    } catch (const FormatError&) {
      return true;
    }
    return false;
  };
  const auto shorten = [](const std::string& name) {
    return [name](std::vector<TensorView>& views) {
      TensorView& view = part(views, name);
      view.shape[0] -= 1;
      view.bytes = view.bytes.first(view.bytes.size() / (view.shape[0] + 1) * view.shape[0]);
    };
  };
  for (const char* name : {"w", "w.absmax", "w.nested_absmax", "w.nested_quant_map"})
    EXPECT_TRUE(refused(shorten(name))) << name;
  const auto with_state = [&](const std::string& text) {  // the change keeps the text
    return [state, text](std::vector<TensorView>& views) {
      TensorView& view = part(views, state);
      view.shape = {static_cast<int64_t>(text.size())};
      view.bytes = std::as_bytes(std::span(text.data(), text.size()));
    };
  };
  const std::string good =
      R"("quant_type":"nf4","blocksize":64,"nested_blocksize":256,"nested_offset":0.5)";
  const auto with = [&](const char* rest) { return fmt::format("{{{}{}", good, rest); };
  for (const std::string& text :
       {std::string("{"), fmt::format("{{{}}}", good), with(R"(,"shape":[]})"),
        with(R"(,"shape":[-40,-50]})"), with(R"(,"shape":[4611686018427387904,4]})"),
        with(R"(,"shape":[40,51]})"),
        std::string(R"({"quant_type":"fp4","blocksize":64,"shape":[40,50]})"),
        std::string(R"({"quant_type":"nf4","blocksize":48,"shape":[40,50]})")}) {
    EXPECT_TRUE(refused(with_state(text))) << text;
  }
  EXPECT_TRUE(
      refused([&](std::vector<TensorView>& views) { part(views, state).name = std::string("x"); }));
  std::vector<float> table(kNf4Table.begin(), kNf4Table.end());
  table[3] += 0.01f;
  EXPECT_TRUE(refused([&](std::vector<TensorView>& views) {
    part(views, "w.quant_map").bytes = std::as_bytes(std::span(table));
  }));
}

}  // namespace
}  // namespace tandem
