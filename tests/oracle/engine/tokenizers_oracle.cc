// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <functional>
#include <map>
#include <memory>

#include "core/json.h"
#include "oracle/report.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/loaders.h"
#include "tokenizer/unicode.h"

namespace tandem::engine {
namespace {

// Counts, for one quantity, the cases that agree; the report shows the first that does not.
class Tally {
 public:
  explicit Tally(std::map<std::string, std::pair<int, int>>& counts, std::string& first_difference)
      : counts_(counts), first_difference_(first_difference) {}

  void add(const std::string& quantity, bool is_equal, const std::string& text) {
    auto& [equal, all] = counts_[quantity];
    equal += is_equal;
    ++all;
    if (!is_equal && first_difference_.empty()) {
      first_difference_ =
          fmt::format("{}: {}", quantity,
                      Json(text.substr(0, 60)).dump(-1, ' ', true, Json::error_handler_t::replace));
    }
  }

 private:
  std::map<std::string, std::pair<int, int>>& counts_;
  std::string& first_difference_;
};

Json offsets_of(const Encoding& encoding) {
  Json list = Json::array();
  for (const TokenSpan& span : encoding.offsets) list.push_back({span.begin, span.end});
  return list;
}

using Ids = std::vector<int32_t>;

// What every kind of case holds: one member a quantity.
void check_case(const Tokenizer& tokenizer, const Json& item, Tally& tally) {
  const auto text = item.at("text").get<std::string>();
  const auto equal = [&](const char* quantity, const auto& value) {
    if (item.contains(quantity)) tally.add(quantity, Json(value) == item[quantity], text);
  };
  const EncodeOptions framed{.add_special = true, .parse_special = true},
      parsed{.parse_special = true};
  const Ids user = tokenizer.encode(text);
  equal("ids_user", user);
  if (item.contains("pieces")) equal("pieces", tokenizer.encode_with_offsets(text).pieces);
  if (item.contains("ids")) {
    const Ids ids = tokenizer.encode(text, framed);
    equal("ids", ids);
    equal("decode", tokenizer.decode(ids));
    equal("decode_skip", tokenizer.decode(ids, true));
  } else if (item.contains("decode")) {
    equal("decode", tokenizer.decode(user));
  }
  if (item.contains("ids_plain")) equal("ids_plain", tokenizer.encode(text, parsed));
  if (item.contains("tokens_plain")) {
    const Encoding encoding = tokenizer.encode_with_offsets(text, parsed);
    equal("tokens_plain", encoding.pieces);
    equal("offsets_plain", offsets_of(encoding));
    const Encoding as_user = tokenizer.encode_with_offsets(text);
    tally.add("ids with and without offsets",
              as_user.ids == user && encoding.ids == tokenizer.encode(text, parsed), text);
    // Where the text holds no special token the two encodings are one.
    tally.add(
        "tokens_user",
        Json(as_user.pieces) == item[item.contains("tokens_user") ? "tokens_user" : "tokens_plain"],
        text);
    tally.add("offsets_user",
              offsets_of(as_user) ==
                  item[item.contains("offsets_user") ? "offsets_user" : "offsets_plain"],
              text);
  }
  equal("decode_user", tokenizer.decode(user));
  if (item.contains("decode_first")) {
    for (const auto& [count, wanted] : item["decode_first"].items()) {
      const auto k = static_cast<size_t>(std::stoul(count));
      tally.add("decode_first",
                Json(tokenizer.decode(std::span(user).first(std::min(k, user.size())))) == wanted,
                text);
    }
  }
  if (item.contains("bytes_user_base64")) {
    Json bytes = Json::array();
    std::string part;
    bool is_equal = true;
    const Json& wanted = item["bytes_user_base64"];
    for (size_t i = 0; i < wanted.size(); ++i) {
      is_equal = is_equal && i < user.size() &&
                 from_byte_alphabet(tokenizer.piece(user[i]), part) &&
                 part == decode_base64(wanted[i].get<std::string>(), "bytes_user_base64");
    }
    tally.add("bytes_user_base64", is_equal, text);
  }
}

void report_counts(const std::map<std::string, std::pair<int, int>>& counts,
                   const std::string& first_difference, OracleReport& report) {
  for (const auto& [quantity, count] : counts) {
    const auto [equal, all] = count;
    const bool shows = equal != all && first_difference.starts_with(quantity + ":");
    report.equal(
        quantity, equal == all && all > 0,
        fmt::format("{} of {} cases{}", equal, all, shows ? ", first " + first_difference : ""));
  }
}

void check_splits(const Tokenizer& tokenizer, const fs::path& path, OracleReport& report) {
  const auto* pipeline = dynamic_cast<const PipelineTokenizer*>(&tokenizer);
  if (!pipeline) return report.fail("splits", "the tokenizer has no pre-tokenizer");
  int equal = 0, all = 0;
  const Json stored = read_json(path);
  for (const Json& item : stored.at("cases")) {
    equal += Json(pipeline->split_ends(item.at("text").get<std::string>())) == item.at("ends");
    ++all;
  }
  report.equal("splits", equal == all && all > 0, fmt::format("{} of {} cases", equal, all));
}

void check_cases(const Tokenizer& tokenizer, const fs::path& folder, OracleReport& report) {
  const Json cases = read_json(folder / "cases.json");
  std::map<std::string, std::pair<int, int>> counts;
  std::string first_difference;
  Tally tally(counts, first_difference);
  for (const Json& item : cases.at("cases")) check_case(tokenizer, item, tally);
  if (cases.contains("vocab_size_with_added")) {
    report.equal("vocabulary size",
                 tokenizer.vocab_size() == cases["vocab_size_with_added"].get<int32_t>());
  }
  report_counts(counts, first_difference, report);
  if (fs::exists(folder / "splits.json")) check_splits(tokenizer, folder / "splits.json", report);
}

// SentencePiece with special tokens in the text: two rules over one model, and transformers' own
// reading of it.
void check_legacy(const fs::path& folder, OracleReport& report) {
  const Json cases = read_json(folder / "cases.json");
  const fs::path model = folder / cases.at("model").get<std::string>();
  std::map<std::string, std::unique_ptr<Tokenizer>> tokenizers;
  tokenizers["rule_legacy_true"] = load_sentencepiece(model, {.legacy = true});
  tokenizers["rule_legacy_false"] = load_sentencepiece(model, {.legacy = false});
  tokenizers["transformers_legacy_true"] =
      load_sentencepiece_as_pipeline(model, PrependScheme::kAlways);
  tokenizers["transformers_legacy_false"] =
      load_sentencepiece_as_pipeline(model, PrependScheme::kFirst);
  std::map<std::string, std::pair<int, int>> counts;
  std::string first_difference;
  Tally tally(counts, first_difference);
  for (const Json& item : cases.at("cases")) {
    const auto text = item.at("text").get<std::string>();
    for (const auto& [quantity, tokenizer] : tokenizers) {
      tally.add(quantity,
                Json(tokenizer->encode(text, {.parse_special = true})) == item.at(quantity), text);
    }
  }
  report_counts(counts, first_difference, report);
}

void check_tokenizers(const fs::path& root, OracleReport& report) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (fs::exists(entry.path() / "cases.json")) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  if (folders.empty()) return report.fail("folders", "no folder with cases.json");
  for (const fs::path& folder : folders) {
    report.part(folder.filename().string());
    if (read_json(folder / "cases.json").contains("model")) {
      check_legacy(folder, report);
      continue;
    }
    check_cases(*load_tokenizer(folder), folder, report);
    // The same tokenizer in its other spelling.
    if (fs::exists(folder / "vocab.json") && fs::exists(folder / "tokenizer.json")) {
      report.part(folder.filename().string() + "/vocab.json");
      const Json cases = read_json(folder / "cases.json");
      const auto tokenizer =
          load_vocab_and_merges(folder / "vocab.json", folder / "merges.txt", false);
      int equal = 0, all = 0;
      for (const Json& item : cases.at("cases")) {
        equal += Json(tokenizer->encode(item.at("text").get<std::string>())) == item.at("ids_user");
        ++all;
      }
      report.equal("ids_user", equal == all && all > 0, fmt::format("{} of {} cases", equal, all));
    }
  }
}

const OracleChecker checker("tokenizers", "engine", check_tokenizers);

}  // namespace
}  // namespace tandem::engine
