// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/normalizer.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/json_steps.h"

namespace tandem {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

class NormalFormStep : public Normalizer {
 public:
  explicit NormalFormStep(NormalForm form) : form_(form) {}
  void apply(AlignedText& text) const override {
    if (!is_ascii(text.text())) text.rewrite(normal_form(to_chars(text.text()), form_));
  }

 private:
  NormalForm form_;
};

class Lowercase : public Normalizer {
 public:
  void apply(AlignedText& text) const override { text.rewrite(lower_case(to_chars(text.text()))); }
};

// Every combining mark, where BERT's own step takes the nonspacing ones alone.
class StripAccents : public Normalizer {
 public:
  void apply(AlignedText& text) const override {
    if (!is_ascii(text.text())) text.filter([](char32_t c) { return !is_combining_mark(c); });
  }
};

class Strip : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void apply(AlignedText& text) const override { text.strip(left_, right_); }

 private:
  bool left_, right_;
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  void apply(AlignedText& text) const override { text.prepend(prefix_); }

 private:
  std::string prefix_;
};

class Replace : public Normalizer {
 public:
  Replace(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  void apply(AlignedText& text) const override { text.replace(from_, to_); }

 private:
  std::string from_, to_;
};

class ReplaceRegex : public Normalizer {
 public:
  ReplaceRegex(Regex from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  void apply(AlignedText& text) const override {
    std::vector<ByteSpan> matches;
    from_.for_each_match(text.text(), [&](size_t begin, size_t end) {
      matches.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
    });
    if (!matches.empty()) text.replace(matches, to_);
  }

 private:
  Regex from_;
  std::string to_;
};

class Bert : public Normalizer {
 public:
  Bert(bool clean, bool cut_cjk, bool strip_accents, bool lower)
      : clean_(clean), cut_cjk_(cut_cjk), strip_accents_(strip_accents), lower_(lower) {}

  void apply(AlignedText& text) const override {
    if (clean_) clean(text);
    if (cut_cjk_ && !is_ascii(text.text())) {
      std::vector<CharChange> chars;
      for (const char32_t c : to_chars(text.text())) {
        if (is_cjk_ideograph(c)) {
          chars.insert(chars.end(), {{U' ', 0}, {c, 1}, {U' ', 1}});
        } else {
          chars.push_back({c, 0});
        }
      }
      text.rewrite(chars);
    }
    if (strip_accents_ && !is_ascii(text.text())) {
      text.rewrite(normal_form(to_chars(text.text()), NormalForm::kNfd));
      text.filter([](char32_t c) { return !is_nonspacing_mark(c); });
    }
    if (lower_) text.rewrite(lower_case(to_chars(text.text())));
  }

 private:
  static void clean(AlignedText& text) {
    const auto is_layout = [](char32_t c) { return c == U'\t' || c == U'\n' || c == U'\r'; };
    text.filter(
        [&](char32_t c) { return c != 0 && c != 0xFFFD && (is_layout(c) || !is_control(c)); });
    std::vector<CharChange> chars;
    for (const char32_t c : to_chars(text.text()))
      chars.push_back({is_whitespace(c) ? U' ' : c, 0});
    text.rewrite(chars);
  }

  bool clean_, cut_cjk_, strip_accents_, lower_;
};

// SentencePiece's table, applied as the tokenizers library does: to a whole grapheme cluster of
// fewer than six bytes when an entry fits, else to its characters one by one.
class Precompiled : public Normalizer {
 public:
  explicit Precompiled(Charsmap map) : map_(std::move(map)) {}

  void apply(AlignedText& text) const override {
    const std::u32string chars = to_chars(text.text());
    std::vector<CharChange> out;
    out.reserve(chars.size());
    bool changed = false;
    const auto replace = [&](std::string_view source, size_t num_chars) {
      const auto found = map_.find(source);
      if (!found) return false;
      const std::u32string to = to_chars(*found);
      for (const char32_t c : to) out.push_back({c, 0});
      const int grown = static_cast<int>(to.size()) - static_cast<int>(num_chars);
      for (int i = 0; i < grown; ++i) out[out.size() - 1 - static_cast<size_t>(i)].change = 1;
      if (grown < 0 && !out.empty()) out.back().change += grown;
      return changed = true;
    };
    std::string cluster;
    size_t begin = 0;
    for (const size_t end : grapheme_ends(chars)) {
      cluster.clear();
      for (size_t i = begin; i < end; ++i) append_char(cluster, chars[i]);
      if (cluster.size() >= 6 || !replace(cluster, end - begin)) {
        for (size_t i = begin; i < end; ++i) {
          cluster.clear();
          append_char(cluster, chars[i]);
          if (!replace(cluster, 1)) out.push_back({chars[i], 0});
        }
      }
      begin = end;
    }
    if (changed) text.rewrite(out);
  }

 private:
  Charsmap map_;
};

void add_step(const TokenizerJson& spec, const std::string& type, std::string_view where,
              Normalizers& out) {
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    const NormalForm form = type == "NFC"    ? NormalForm::kNfc
                            : type == "NFD"  ? NormalForm::kNfd
                            : type == "NFKC" ? NormalForm::kNfkc
                                             : NormalForm::kNfkd;
    out.push_back(std::make_unique<NormalFormStep>(form));
  } else if (type == "Lowercase") {
    out.push_back(std::make_unique<Lowercase>());
  } else if (type == "StripAccents") {
    out.push_back(std::make_unique<StripAccents>());
  } else if (type == "Strip") {
    out.push_back(std::make_unique<Strip>(field_or(spec, "strip_left", true, where),
                                          field_or(spec, "strip_right", true, where)));
  } else if (type == "Prepend") {
    out.push_back(prepend_normalizer(field<std::string>(spec, "prepend", where)));
  } else if (type == "Replace") {
    out.push_back(replace_step<Normalizer, Replace, ReplaceRegex>(spec, where));
  } else if (type == "BertNormalizer") {
    const bool lower = field_or(spec, "lowercase", true, where);
    out.push_back(std::make_unique<Bert>(field_or(spec, "clean_text", true, where),
                                         field_or(spec, "handle_chinese_chars", true, where),
                                         field_or(spec, "strip_accents", lower, where), lower));
  } else if (type == "Precompiled") {
    const std::string blob =
        decode_base64(field<std::string>(spec, "precompiled_charsmap", where), where);
    if (!blob.empty()) out.push_back(std::make_unique<Precompiled>(Charsmap(blob, where)));
  } else {
    throw FormatError("{}: normalizer type '{}' is not supported", where, type);
  }
}

}  // namespace

Normalizers make_normalizers(const TokenizerJson& spec, std::string_view where) {
  Normalizers steps;
  for_each_step(
      spec, "normalizer", "normalizers", where,
      [&](const auto& step, const std::string& type) { add_step(step, type, where, steps); });
  return steps;
}

std::unique_ptr<Normalizer> prepend_normalizer(std::string prefix) {
  return std::make_unique<Prepend>(std::move(prefix));
}

std::unique_ptr<Normalizer> replace_normalizer(std::string from, std::string to) {
  return std::make_unique<Replace>(std::move(from), std::move(to));
}

}  // namespace tandem
