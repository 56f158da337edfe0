// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>

#include "core/error.h"
#include "tokenizer/bpe.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/loaders.h"

namespace tandem {
namespace {

using Specials = std::vector<std::pair<std::string, int32_t>>;

// Llama 3.1's 256 special tokens, which follow the ranks.
Specials llama3_specials(int32_t first) {
  Specials specials;
  for (const char* name :
       {"<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
        "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>", "<|reserved_special_token_2|>",
        "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"}) {
    specials.emplace_back(name, first + static_cast<int32_t>(specials.size()));
  }
  for (int i = 3; specials.size() < 256; ++i) {
    specials.emplace_back(fmt::format("<|reserved_special_token_{}|>", i),
                          first + static_cast<int32_t>(specials.size()));
  }
  return specials;
}

}  // namespace

std::unique_ptr<PipelineTokenizer> load_tiktoken(const fs::path& path) {
  const MappedFile file(path);
  const std::string where = path.string();
  Vocabulary vocabulary;
  std::vector<std::string> bytes_of;  // by rank
  // A line takes at least six bytes, and ranks leave next to no gaps.
  const auto max_rank = static_cast<int64_t>(file.size() / 4 + 256);
  std::string_view rest = file.text();
  for (size_t line_number = 1; !rest.empty(); ++line_number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), end + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::string place = fmt::format("{}:{}", where, line_number);
    const size_t space = line.find(' ');
    int64_t rank = -1;
    if (space != std::string_view::npos) {
      const auto [stop, error] =
          std::from_chars(line.data() + space + 1, line.data() + line.size(), rank);
      if (error != std::errc{} || stop != line.data() + line.size()) rank = -1;
    }
    if (rank < 0)
      throw FormatError("{}: expected base64, a space and a rank, found '{}'", place,
                        line.substr(0, 60));
    std::string bytes = decode_base64(line.substr(0, space), place);
    vocabulary.add(to_byte_alphabet(bytes), rank, max_rank, place);
    if (static_cast<size_t>(rank) >= bytes_of.size())
      bytes_of.resize(static_cast<size_t>(rank) + 1);
    bytes_of[rank] = std::move(bytes);
  }
  if (vocabulary.size() == 0) throw FormatError("{}: no ranks", where);

  const std::string name = path.filename().string();
  const bool gpt2 = name.starts_with("r50k") || name.starts_with("p50k");
  const bool cl100k = name.starts_with("cl100k");
  Specials specials;
  if (gpt2) {
    specials = {{"<|endoftext|>", 50256}};
  } else if (cl100k) {
    specials = {{"<|endoftext|>", 100257},
                {"<|fim_prefix|>", 100258},
                {"<|fim_middle|>", 100259},
                {"<|fim_suffix|>", 100260},
                {"<|endofprompt|>", 100276}};
  } else {
    specials = llama3_specials(vocabulary.size());
  }
  PipelineParts parts;
  for (const auto& [content, id] : specials) {
    AddedToken token;
    token.content = content;
    token.id = id;
    token.special = true;
    parts.added_tokens.push_back(std::move(token));
  }
  const auto merges = BpeModel::merges_from_ranks(
      vocabulary, [&](int32_t id) -> std::string_view { return bytes_of[id]; },
      [&](int32_t id) { return bytes_of[id].empty() ? -1 : id; });
  BpeOptions options;
  options.byte_level = true;
  options.ignore_merges = true;
  parts.model = std::make_unique<BpeModel>(std::move(vocabulary), merges, options, where);
  parts.pre_tokenizer.add_split(gpt2 ? kGpt2SplitPattern : kLlama3SplitPattern, where);
  parts.pre_tokenizer.set_byte_level();
  parts.decoders.push_back(byte_level_decoder());
  const bool llama3 = !gpt2 && !cl100k;
  if (llama3) parts.post_processor.prefix = {specials.front().second};
  Tokenizer::SpecialIds ids;
  ids.eos = specials[llama3 ? 1 : 0].second;
  if (llama3) ids.bos = specials.front().second;
  auto tokenizer = std::make_unique<PipelineTokenizer>(std::move(parts), where);
  tokenizer->set_special_ids(ids);
  return tokenizer;
}

}  // namespace tandem
