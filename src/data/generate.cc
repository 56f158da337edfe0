// SPDX-License-Identifier: Apache-2.0
#include "data/generate.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/rng.h"

namespace tandem {
namespace {

constexpr std::string_view kHeader = "user,item,rating,timestamp\n";

}  // namespace

const OutputKind kGeneratedFile = {
    .name = "a file of `tandem data generate`", .recognises = [](const fs::path& path) {
      std::ifstream file(path, std::ios::binary);
      std::string begin(kHeader.size(), ' ');
      return file.read(begin.data(), std::ssize(begin)) && begin == kHeader;
    }};

void generate_interactions(const GenerateOptions& options, const Output& target) {
  const fs::path& output = target.path();
  if (options.num_users < 1 || options.num_items < 1 || options.num_interactions < 0)
    throw UsageError(
        "data generate: {} users, {} items, {} interactions; expected at least 1, 1 and 0",
        options.num_users, options.num_items, options.num_interactions);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(output.c_str(), "wb"),
                                                             std::fclose);
  const auto fail = [&] {
    throw IoError("{}: cannot write: {}", output.string(), std::strerror(errno));
  };
  if (!file) fail();
  Rng rng(options.seed, RngPurpose::kSampling);
  std::string buffer(kHeader);
  int64_t time = 1'400'000'000;
  for (int64_t row = 0; row < options.num_interactions; ++row) {
    const uint64_t user = 1 + rng.below(static_cast<uint64_t>(options.num_users));
    const double u = rng.uniform();
    const auto item = 1 + static_cast<int64_t>(static_cast<double>(options.num_items) * u * u);
    const uint32_t bits = rng.next_u32();
    time += bits % 40;
    fmt::format_to(std::back_inserter(buffer), "{},{},{},{}\n", user, item, 1 + (bits >> 8) % 5,
                   time);
    if (buffer.size() > (1 << 20)) {
      if (std::fwrite(buffer.data(), 1, buffer.size(), file.get()) != buffer.size()) fail();
      buffer.clear();
    }
  }
  if (std::fwrite(buffer.data(), 1, buffer.size(), file.get()) != buffer.size() ||
      std::fflush(file.get()) != 0)
    fail();
}

}  // namespace tandem
