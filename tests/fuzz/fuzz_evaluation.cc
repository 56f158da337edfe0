// SPDX-License-Identifier: Apache-2.0
// The input is an evaluation folder: metrics.json, a zero byte, ranks.tsv. What is accepted can be
// printed and compared with itself.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/error.h"
#include "eval/evaluation.h"
#include "fuzz/memory_file.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

// A folder whose two files are links to files in memory.
class EvaluationFolder {
 public:
  Evaluation read(const MemoryFile& metrics, const MemoryFile& ranks) const {
    link(metrics, "metrics.json");
    link(ranks, "ranks.tsv");
    return read_evaluation(folder_);
  }

 private:
  void link(const MemoryFile& file, const char* name) const {
    fs::remove(folder_ / name);
    fs::create_symlink(file.path(), folder_ / name);
  }

  test::TemporaryFolder folder_;
};

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  static const EvaluationFolder folder;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(input.find('\0'), size), begin = std::min(cut + 1, size);
  const MemoryFile metrics(data, cut), ranks(data + begin, size - begin);
  try {
    const Evaluation evaluation = folder.read(metrics, ranks);
    TANDEM_CHECK(evaluation.num_tied() <= evaluation.num_users());
    TANDEM_CHECK(evaluation.num_excluded() <= evaluation.num_users());
    TANDEM_CHECK(!metric_table(std::vector{evaluation, evaluation}).empty());
  } catch (const Error&) {
  }
  return 0;
}
