// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/pre_tokenizer.h"

#include <optional>

#include "core/error.h"
#include "tokenizer/regex.h"

namespace tandem {
namespace {

constexpr const char* kGpt2Split =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kMark = "\xE2\x96\x81";

// What becomes of the matches of a delimiter.
enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

Behavior parse_behavior(std::string_view name, std::string_view where) {
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  throw FormatError("{}: split behavior '{}' is not known", where, name);
}

struct Segment {
  size_t begin, end;
  bool is_match;
};
using Emit = std::function<void(size_t begin, size_t end)>;

// Joins or drops segments as the behavior says and emits the ranges that are left.
void apply_behavior(const std::vector<Segment>& segments, Behavior behavior, const Emit& emit) {
  const size_t n = segments.size();
  for (size_t i = 0; i < n;) {
    size_t last = i;  // of the segments that become one range
    switch (behavior) {
      case Behavior::kRemoved:
        if (segments[i++].is_match) continue;
        emit(segments[last].begin, segments[last].end);
        continue;
      case Behavior::kIsolated:
        break;
      case Behavior::kMergedWithPrevious:
        if (i + 1 < n && !segments[i].is_match && segments[i + 1].is_match) last = i + 1;
        break;
      case Behavior::kMergedWithNext:
        if (i + 1 < n && segments[i].is_match && !segments[i + 1].is_match) last = i + 1;
        break;
      case Behavior::kContiguous:
        while (last + 1 < n && segments[last + 1].is_match == segments[i].is_match) ++last;
        break;
    }
    emit(segments[i].begin, segments[last].end);
    i = last + 1;
  }
}

}  // namespace

struct PreTokenizer::Step {
  // An edit, or else a cut.
  std::function<void(AlignedText&)> edit;
  // Delimiter of the cut: a regular expression, a text or a class of characters (each a match of
  // its own).
  std::optional<Regex> regex;
  std::string text;
  std::function<bool(char32_t)> is_delimiter;
  Behavior behavior = Behavior::kIsolated;
  bool invert = false;

  void cut(std::string_view piece, const Emit& emit) const {
    // The common case, and the one that must be fast.
    if (regex && behavior == Behavior::kIsolated) {
      size_t done = 0;
      regex->for_each_match(piece, [&](size_t begin, size_t end) {
        if (begin > done) emit(done, begin);
        emit(begin, end);
        done = end;
      });
      if (done < piece.size()) emit(done, piece.size());
      return;
    }
    std::vector<Segment> segments;
    size_t done = 0;
    const auto found = [&](size_t begin, size_t end) {
      if (begin > done) segments.push_back({done, begin, invert});
      segments.push_back({begin, end, !invert});
      done = end;
    };
    if (regex) {
      regex->for_each_match(piece, found);
    } else if (is_delimiter) {
      for (size_t at = 0; at < piece.size();) {
        const size_t begin = at;
        if (is_delimiter(next_char(piece, at))) found(begin, at);
      }
    } else if (!text.empty()) {
      for (size_t at = 0; (at = piece.find(text, at)) != std::string_view::npos;
           at += text.size()) {
        found(at, at + text.size());
      }
    }
    if (done < piece.size()) segments.push_back({done, piece.size(), invert});
    apply_behavior(segments, behavior, emit);
  }
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::~PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;

void PreTokenizer::add_split(const std::string& regex, std::string_view where) {
  auto step = std::make_unique<Step>();
  step->regex.emplace(regex, where);
  steps_.push_back(std::move(step));
}

void PreTokenizer::add_metaspace(PrependScheme scheme, bool split) {
  auto edit = std::make_unique<Step>();
  edit->edit = [scheme](AlignedText& text) {
    text.replace(" ", kMark);
    const bool wanted = scheme == PrependScheme::kAlways ||
                        (scheme == PrependScheme::kFirst && text.at_source_begin());
    if (wanted && !text.text().starts_with(kMark)) text.prepend(kMark);
  };
  steps_.push_back(std::move(edit));
  if (!split) return;
  auto cut = std::make_unique<Step>();
  cut->text = kMark;
  cut->behavior = Behavior::kMergedWithNext;
  steps_.push_back(std::move(cut));
}

PreTokenizer PreTokenizer::from_json(const TokenizerJson& spec, std::string_view where) {
  PreTokenizer result;
  result.add_json(spec, where, 0);
  return result;
}

void PreTokenizer::add_json(const TokenizerJson& spec, std::string_view where, int depth) {
  if (spec.is_null()) return;
  if (depth > 20) throw FormatError("{}: pre-tokenizer sequences are nested too deeply", where);
  if (byte_level_) throw FormatError("{}: ByteLevel is not the last pre-tokenizer", where);
  constexpr size_t kMaxSteps = 64;  // each is a level of recursion
  if (steps_.size() >= kMaxSteps)
    throw FormatError("{}: more than {} pre-tokenizer steps", where, kMaxSteps);
  const auto type = field<std::string>(spec, "type", where);
  auto step = std::make_unique<Step>();
  const auto add_class = [&](std::function<bool(char32_t)> is_delimiter, Behavior behavior) {
    auto cut = std::make_unique<Step>();
    cut->is_delimiter = std::move(is_delimiter);
    cut->behavior = behavior;
    steps_.push_back(std::move(cut));
  };
  const auto is_bert_punctuation = [](char32_t c) {
    if (c < 0x80)
      return c > 32 && c < 127 && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z');
    return is_punctuation(c);
  };
  if (type == "Sequence") {
    for (const auto& part : list_field(spec, "pretokenizers", where))
      add_json(part, where, depth + 1);
  } else if (type == "ByteLevel") {
    if (field_or(spec, "add_prefix_space", true, where)) {
      step->edit = [](AlignedText& text) {
        if (!text.text().starts_with(' ')) text.prepend(" ");
      };
      steps_.push_back(std::move(step));
    }
    if (field_or(spec, "use_regex", true, where)) add_split(kGpt2Split, where);
    byte_level_ = true;
  } else if (type == "Split") {
    const auto pattern = field<TokenizerJson>(spec, "pattern", where);
    if (pattern.contains("Regex")) {
      step->regex.emplace(field<std::string>(pattern, "Regex", where), where);
    } else {
      step->text = field<std::string>(pattern, "String", where);
    }
    step->behavior = parse_behavior(field<std::string>(spec, "behavior", where), where);
    step->invert = field_or(spec, "invert", false, where);
    steps_.push_back(std::move(step));
  } else if (type == "Metaspace") {
    if (field_or<std::string>(spec, "replacement", std::string(kMark), where) != kMark) {
      throw FormatError("{}: Metaspace with a replacement other than U+2581 is not supported",
                        where);
    }
    // Files from before prepend_scheme say add_prefix_space.
    const bool prefix = field_or(spec, "add_prefix_space", true, where);
    const auto scheme =
        field_or<std::string>(spec, "prepend_scheme", prefix ? "always" : "never", where);
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      throw FormatError("{}: prepend_scheme is '{}', expected always, first or never", where,
                        scheme);
    }
    add_metaspace(scheme == "always"  ? PrependScheme::kAlways
                  : scheme == "first" ? PrependScheme::kFirst
                                      : PrependScheme::kNever,
                  field_or(spec, "split", true, where));
  } else if (type == "WhitespaceSplit") {
    add_class(is_whitespace, Behavior::kRemoved);
  } else if (type == "Whitespace") {
    step->regex.emplace(R"(\w+|[^\w\s]+)", where);
    step->behavior = Behavior::kRemoved;
    step->invert = true;
    steps_.push_back(std::move(step));
  } else if (type == "BertPreTokenizer") {
    add_class(is_whitespace, Behavior::kRemoved);
    add_class(is_bert_punctuation, Behavior::kIsolated);
  } else if (type == "Punctuation") {
    add_class(is_bert_punctuation,
              parse_behavior(field_or<std::string>(spec, "behavior", "Isolated", where), where));
  } else if (type == "Digits") {
    add_class(is_numeric, field_or(spec, "individual_digits", false, where)
                              ? Behavior::kIsolated
                              : Behavior::kContiguous);
  } else if (type == "CharDelimiterSplit") {
    step->text = field<std::string>(spec, "delimiter", where);
    step->behavior = Behavior::kRemoved;
    steps_.push_back(std::move(step));
  } else {
    throw FormatError("{}: pre-tokenizer type '{}' is not supported", where, type);
  }
}

void PreTokenizer::split(AlignedText stretch, const Word& word) const { run(stretch, 0, word); }

void PreTokenizer::run(AlignedText& piece, size_t step, const Word& word) const {
  for (; step < steps_.size() && steps_[step]->edit; ++step) steps_[step]->edit(piece);
  cut(piece, 0, piece.text().size(), step, word);
}

void PreTokenizer::cut(const AlignedText& text, size_t begin, size_t end, size_t step,
                       const Word& word) const {
  if (step == steps_.size()) {
    if (begin < end) word(text, begin, end);
    return;
  }
  if (steps_[step]->edit) {
    AlignedText piece = text.slice(begin, end);
    run(piece, step, word);
    return;
  }
  steps_[step]->cut(std::string_view(text.text()).substr(begin, end - begin),
                    [&](size_t b, size_t e) { cut(text, begin + b, begin + e, step + 1, word); });
}

}  // namespace tandem
