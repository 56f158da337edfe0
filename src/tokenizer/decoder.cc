// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/decoder.h"

#include <array>
#include <optional>
#include <utility>

#include "core/error.h"
#include "tokenizer/json_steps.h"
#include "tokenizer/unicode.h"

namespace tandem {
namespace {

constexpr std::string_view kMark = "\xE2\x96\x81";

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t done = 0;
  for (size_t at; !from.empty() && (at = text.find(from, done)) != std::string_view::npos;
       done = at + from.size()) {
    out.append(text.substr(done, at - done)).append(to);
    // The rule comes from a file; its growth is bounded.
    if (out.size() > 64 * text.size() + (1 << 16))
      throw DataError("a decoder step swells '{}'", text.substr(0, 40));
  }
  return out.append(text.substr(done));
}

class ByteLevel : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override {
    std::string bytes, part;
    for (const std::string& piece : pieces) bytes += from_byte_alphabet(piece, part) ? part : piece;
    pieces.assign(1, repair_utf8(bytes));
  }
};

class ByteFallback : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override {
    std::vector<std::string> out;
    std::string run;
    const auto flush = [&] {
      if (is_valid_utf8(run)) {
        if (!run.empty()) out.push_back(run);
      } else {
        // The whole run counts as broken, also its complete characters.
        for (size_t i = 0; i < run.size(); ++i) out.emplace_back("\xEF\xBF\xBD");
      }
      run.clear();
    };
    for (std::string& piece : pieces) {
      if (const int byte = byte_of(piece); byte >= 0) {
        run += static_cast<char>(byte);
      } else {
        flush();
        out.push_back(std::move(piece));
      }
    }
    flush();
    pieces = std::move(out);
  }

 private:
  static int byte_of(std::string_view piece) {
    if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
    const auto digit = [](char c) {
      if (c >= '0' && c <= '9') return c - '0';
      if (c >= 'A' && c <= 'F') return c - 'A' + 10;
      return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    const int high = digit(piece[3]), low = digit(piece[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }
};

class Fuse : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override {
    std::string text;
    for (const std::string& piece : pieces) text += piece;
    pieces.resize(1);
    pieces[0] = std::move(text);
  }
};

class Replace : public Decoder {
 public:
  Replace(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (std::string& piece : pieces) piece = replace_all(piece, from_, to_);
  }

 private:
  std::string from_, to_;
};

class ReplaceRegex : public Decoder {
 public:
  ReplaceRegex(Regex from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (std::string& piece : pieces) {
      std::string out;
      size_t done = 0;
      from_.for_each_match(piece, [&](size_t begin, size_t end) {
        out.append(piece, done, begin - done).append(to_);
        done = end;
      });
      piece = out.append(piece, done);
    }
  }

 private:
  Regex from_;
  std::string to_;
};

class Strip : public Decoder {
 public:
  Strip(std::string content, size_t start, size_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  void apply(std::vector<std::string>& pieces) const override {
    if (content_.empty()) return;
    for (std::string& piece : pieces) {
      std::string_view left = piece;
      for (size_t i = 0; i < start_ && left.starts_with(content_); ++i)
        left.remove_prefix(content_.size());
      for (size_t i = 0; i < stop_ && left.ends_with(content_); ++i)
        left.remove_suffix(content_.size());
      piece = std::string(left);
    }
  }

 private:
  std::string content_;
  size_t start_, stop_;
};

class Metaspace : public Decoder {
 public:
  explicit Metaspace(bool strips_first) : strips_first_(strips_first) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      pieces[i] = replace_all(pieces[i], kMark, i == 0 && strips_first_ ? "" : " ");
    }
  }

 private:
  bool strips_first_;
};

class WordPieces : public Decoder {
 public:
  WordPieces(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void apply(std::vector<std::string>& pieces) const override {
    // English spacing, in the order in which transformers undoes it.
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kCleanups{{
        {" .", "."},
        {" ?", "?"},
        {" !", "!"},
        {" ,", ","},
        {" ' ", "'"},
        {" n't", "n't"},
        {" 'm", "'m"},
        {" do not", " don't"},
        {" 's", "'s"},
        {" 've", "'ve"},
        {" 're", "'re"},
    }};
    for (size_t i = 0; i < pieces.size(); ++i) {
      std::string& piece = pieces[i];
      if (i > 0)
        piece = !prefix_.empty() && piece.starts_with(prefix_) ? piece.substr(prefix_.size())
                                                               : " " + piece;
      if (!cleanup_) continue;
      for (const auto& [from, to] : kCleanups) piece = replace_all(piece, from, to);
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

class WordSuffix : public Decoder {
 public:
  explicit WordSuffix(std::string suffix) : suffix_(std::move(suffix)) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      pieces[i] = replace_all(pieces[i], suffix_, i + 1 == pieces.size() ? "" : " ");
    }
  }

 private:
  std::string suffix_;
};

void add_step(const TokenizerJson& spec, const std::string& type, std::string_view where,
              Decoders& out) {
  if (type == "ByteLevel") {
    out.push_back(byte_level_decoder());
  } else if (type == "ByteFallback") {
    out.push_back(std::make_unique<ByteFallback>());
  } else if (type == "Fuse") {
    out.push_back(std::make_unique<Fuse>());
  } else if (type == "Strip") {
    out.push_back(std::make_unique<Strip>(field<std::string>(spec, "content", where),
                                          field_or<size_t>(spec, "start", 0, where),
                                          field_or<size_t>(spec, "stop", 0, where)));
  } else if (type == "Replace") {
    out.push_back(replace_step<Decoder, Replace, ReplaceRegex>(spec, where));
  } else if (type == "Metaspace") {
    const bool prefix = field_or(spec, "add_prefix_space", true, where);
    const auto scheme =
        field_or<std::string>(spec, "prepend_scheme", prefix ? "always" : "never", where);
    out.push_back(std::make_unique<Metaspace>(scheme != "never"));
  } else if (type == "WordPiece") {
    out.push_back(std::make_unique<WordPieces>(field_or<std::string>(spec, "prefix", "##", where),
                                               field_or(spec, "cleanup", true, where)));
  } else if (type == "BPEDecoder") {
    out.push_back(
        std::make_unique<WordSuffix>(field_or<std::string>(spec, "suffix", "</w>", where)));
  } else {
    throw FormatError("{}: decoder type '{}' is not supported", where, type);
  }
}

}  // namespace

Decoders make_decoders(const TokenizerJson& spec, std::string_view where) {
  Decoders steps;
  for_each_step(spec, "decoder", "decoders", where, [&](const auto& step, const std::string& type) {
    add_step(step, type, where, steps);
  });
  return steps;
}

std::unique_ptr<Decoder> byte_level_decoder() { return std::make_unique<ByteLevel>(); }

Decoders byte_fallback_decoders(bool strip_first) {
  Decoders steps;
  steps.push_back(std::make_unique<Replace>(std::string(kMark), " "));
  steps.push_back(std::make_unique<ByteFallback>());
  steps.push_back(std::make_unique<Fuse>());
  if (strip_first) steps.push_back(std::make_unique<Strip>(" ", 1, 0));
  return steps;
}

}  // namespace tandem
