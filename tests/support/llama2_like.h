// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>

#include "core/json.h"
#include "tokenizer/loaders.h"

namespace tandem::test {

// A tokenizer as Llama 2's: U+2581 stands for a blank and goes before every text, other bytes have
// pieces of their own, every letter is there with a mark before it and without.
//
//   0 <unk>, 1 <s>, 2 </s>, 3..258 the bytes, 259 the mark, 260..285 A..Z, 286..311 the mark and
//   A..Z
inline std::unique_ptr<Tokenizer> llama2_like(bool with_marked_letters = true) {
  Json vocabulary = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}, {"▁", 259}};
  for (int b = 0; b < 256; ++b) vocabulary[fmt::format("<0x{:02X}>", b)] = 3 + b;
  Json merges = Json::array();
  for (char letter = 'A'; letter <= 'Z'; ++letter) {
    vocabulary[std::string(1, letter)] = 260 + letter - 'A';
    if (!with_marked_letters) continue;
    vocabulary["▁" + std::string(1, letter)] = 286 + letter - 'A';
    merges.push_back(Json::array({"▁", std::string(1, letter)}));
  }
  const Json json = {
      {"added_tokens",
       {{{"id", 1}, {"content", "<s>"}, {"special", true}, {"normalized", false}},
        {{"id", 2}, {"content", "</s>"}, {"special", true}, {"normalized", false}}}},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers",
         {{{"type", "Prepend"}, {"prepend", "▁"}},
          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}}},
      {"model",
       {{"type", "BPE"},
        {"unk_token", "<unk>"},
        {"byte_fallback", true},
        {"vocab", vocabulary},
        {"merges", merges}}}};
  auto tokenizer = parse_tokenizer_json(json.dump(), "llama2_like");
  tokenizer->set_special_ids({.bos = 1, .eos = 2, .unk = 0, .pad = {}});
  return tokenizer;
}

}  // namespace tandem::test
