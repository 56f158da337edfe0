// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/regex.h"

#include <pcre2.h>

#include <new>

#include "core/error.h"

namespace tandem {
namespace {

// Patterns come from files: one that backtracks without end must give up. Ordinary split patterns
// use a few dozen.
constexpr uint32_t kMatchLimit = 2'000'000;
constexpr size_t kStackBytes = 1 << 20;

std::string error_text(int code) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct Regex::State {
  pcre2_code* code = nullptr;
  std::string pattern;
  bool jit = false;
  ~State() { pcre2_code_free(code); }
};

Regex::Regex(const std::string& pattern, std::string_view where)
    : state_(std::make_unique<State>()) {
  int error = 0;
  PCRE2_SIZE at = 0;
  state_->pattern = pattern;
  state_->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr);
  if (!state_->code) {
    throw FormatError("{}: regular expression '{}': {} at {}", where, pattern.substr(0, 200),
                      error_text(error), at);
  }
  state_->jit = pcre2_jit_compile(state_->code, PCRE2_JIT_COMPLETE) == 0;
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;

Regex::Matcher::Matcher(const Regex& regex)
    : state_(*regex.state_),
      data_(pcre2_match_data_create_from_pattern(state_.code, nullptr)),
      context_(pcre2_match_context_create(nullptr)),
      stack_(nullptr) {
  if (!data_ || !context_) throw std::bad_alloc();
  pcre2_set_match_limit(static_cast<pcre2_match_context*>(context_), kMatchLimit);
}

Regex::Matcher::~Matcher() {
  pcre2_match_data_free(static_cast<pcre2_match_data*>(data_));
  pcre2_match_context_free(static_cast<pcre2_match_context*>(context_));
  pcre2_jit_stack_free(static_cast<pcre2_jit_stack*>(stack_));
}

bool Regex::Matcher::next(std::string_view text, size_t from, size_t& begin, size_t& end) {
  auto* data = static_cast<pcre2_match_data*>(data_);
  auto* context = static_cast<pcre2_match_context*>(context_);
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto match = [&] {
    return state_.jit ? pcre2_jit_match(state_.code, subject, text.size(), from, 0, data, context)
                      : pcre2_match(state_.code, subject, text.size(), from, PCRE2_NO_UTF_CHECK,
                                    data, context);
  };
  int found = match();
  if (found == PCRE2_ERROR_JIT_STACKLIMIT && !stack_) {
    stack_ = pcre2_jit_stack_create(32 * 1024, kStackBytes, nullptr);
    pcre2_jit_stack_assign(context, nullptr, stack_);
    found = match();
  }
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0) {
    throw DataError("regular expression '{}' gave up on a text of {} bytes: {}",
                    state_.pattern.substr(0, 200), text.size(), error_text(found));
  }
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
  begin = ends[0];
  end = ends[1];
  if (end < begin)
    throw DataError("regular expression '{}' matched backwards", state_.pattern.substr(0, 200));
  return true;
}

}  // namespace tandem
