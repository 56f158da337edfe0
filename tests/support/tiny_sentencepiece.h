// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tandem::test {

// A SentencePiece BPE model put together by hand: 0 <unk>, 1 <s>, 2 </s>, 3 the mark, 4 a, 5 b,
// 6 ab, 7 the mark and a.
inline std::string tiny_sentencepiece() {
  const auto field = [](int number, std::string_view bytes) {  // of a length below 128
    return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) +
           std::string(bytes);
  };
  const auto varint = [](int number, int value) {
    return std::string(1, static_cast<char>(number << 3)) + static_cast<char>(value);
  };
  const auto piece = [&](std::string_view text, float score, int type) {
    std::string message = field(1, text) + static_cast<char>(2 << 3 | 5);
    message.append(reinterpret_cast<const char*>(&score), sizeof score);
    return field(1, message + varint(3, type));
  };
  constexpr int kNormal = 1, kUnknown = 2, kControl = 3;
  std::string model = piece("<unk>", 0, kUnknown) + piece("<s>", 0, kControl) +
                      piece("</s>", 0, kControl) + piece("\xE2\x96\x81", -4, kNormal) +
                      piece("a", -5, kNormal) + piece("b", -6, kNormal) + piece("ab", -1, kNormal) +
                      piece(
                          "\xE2\x96\x81"
                          "a",
                          -2, kNormal);
  model += field(2, varint(3, 2));                 // trainer_spec: BPE
  model += field(3, varint(3, 1) + varint(4, 0));  // normalizer_spec: a mark before the text
  return model;
}

}  // namespace tandem::test
