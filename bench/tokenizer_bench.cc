// SPDX-License-Identifier: Apache-2.0
// Speed of encoding, one thread: tokenizer_bench TOKENIZER TEXT [REPEATS]. Each repeat loads the
// tokenizer anew, so its word cache is empty; two ways, the whole text in one call and line by
// line. Prints JSON: megabytes (10^6 bytes) per second of processor time, median over the repeats.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <exception>
#include <vector>

#include "core/json.h"
#include "core/machine.h"
#include "tokenizer/tokenizer.h"

namespace tandem {
namespace {

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Timing {
  double mb_per_s;
  size_t tokens;
};

Timing encode_all(const Tokenizer& tokenizer, std::string_view text, bool by_line) {
  const double begin = processor_seconds();
  size_t tokens = 0;
  if (by_line) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      tokens += tokenizer.encode(text.substr(at, end - at)).size();
      at = end + 1;
    }
  } else {
    tokens = tokenizer.encode(text).size();
  }
  return {1e-6 * static_cast<double>(text.size()) / (processor_seconds() - begin), tokens};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int run(const fs::path& path, const fs::path& text_path, int repeats) {
  const std::string text = read_file(text_path);
  // The result before its speed: the text must come back.
  const auto checked = load_tokenizer(path);
  const std::string_view head = std::string_view(text).substr(0, text.find('\n'));
  const bool survives = checked->decode(checked->encode(head)) == head;
  Json result{{"tokenizer", path.string()},
              {"text_bytes", text.size()},
              {"threads", 1},
              {"cpu", describe_machine().cpu_name},
              {"first_line_survives", survives}};
  for (const bool by_line : {false, true}) {
    std::vector<double> speeds;
    size_t tokens = 0;
    for (int i = 0; i < repeats; ++i) {
      const auto tokenizer = load_tokenizer(path);
      const Timing timing = encode_all(*tokenizer, text, by_line);
      speeds.push_back(timing.mb_per_s);
      tokens = timing.tokens;
    }
    result[by_line ? "by_line" : "whole_text"] = {
        {"tokens", tokens}, {"mb_per_s", speeds}, {"median", median(speeds)}};
  }
  fmt::print("{}\n", result.dump(1));
  return 0;
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: tokenizer_bench TOKENIZER TEXT [REPEATS]\n");
    return 2;
  }
  try {
    return tandem::run(argv[1], argv[2], argc > 3 ? std::max(1, std::atoi(argv[3])) : 3);
  } catch (const std::exception& error) {
    fmt::print(stderr, "tokenizer_bench: {}\n", error.what());
    return 1;
  }
}
