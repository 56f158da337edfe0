// SPDX-License-Identifier: Apache-2.0
// The input is a tokenizer_config.json and an added_tokens.json (see split_input), beside a small
// tokenizer.json and a small SentencePiece model in turn. Whatever the bytes: an Error, or a
// tokenizer that encodes and decodes.
#include <cstddef>
#include <cstdint>

#include "core/error.h"
#include "core/log.h"
#include "fuzz/memory_folder.h"
#include "support/tiny_sentencepiece.h"
#include "tokenizer/tokenizer.h"

namespace {

constexpr const char* kTokenizer =
    R"({"added_tokens":[{"id":0,"content":"<s>","special":true}],"model":{"type":"BPE",)"
    R"("vocab":{"<s>":0,"</s>":1,"a":2,"b":3,"ab":4},"merges":[["a","b"]]}})";

void try_tokenizer(const tandem::fs::path& folder) {
  try {
    const auto tokenizer = tandem::load_tokenizer(folder);
    const auto encoding = tokenizer->encode_with_offsets(
        "a ab<x></s>\xC3\xA9", {.add_special = true, .parse_special = true});
    tokenizer->decode(encoding.ids);
    tokenizer->decode(tokenizer->encode("b<x>a"), true);
  } catch (const tandem::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  static const tandem::MemoryFolder json, model;
  json.write("tokenizer.json", kTokenizer);
  model.write("tokenizer.model", tandem::test::tiny_sentencepiece());
  const auto [config, added] = tandem::split_input(data, size);
  for (const auto* folder : {&json, &model}) {
    folder->write("tokenizer_config.json", config);
    folder->write("added_tokens.json", added);
    try_tokenizer(folder->path());
  }
  return 0;
}
