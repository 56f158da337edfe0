// SPDX-License-Identifier: Apache-2.0
// oracle_engine and oracle_learn: compare what the program computes with what the authors' code
// computed.
//
//     oracle_engine [DIR ...]
//
// Checks every oracle folder at or below each DIR; without DIR those of the project. Exit code 0
// when all passed, 1 when something failed, 2 when a DIR is not there.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "oracle/report.h"

namespace tandem {
namespace {

// From the project's root: the shared collection, or the small copies where that is not at hand.
constexpr const char* kDefaultFolders[] = {"../shared/oracles", "tests/oracle/data"};

std::vector<fs::path> default_roots() {
  for (const char* folder : kDefaultFolders) {
    if (fs::is_directory(folder)) return {folder};
    fmt::print("{} is not here: skipped\n", folder);
  }
  return {};
}

std::vector<fs::path> named_roots(int count, char** names) {
  std::vector<fs::path> roots;
  for (int i = 0; i < count; ++i) {
    if (!fs::is_directory(names[i])) throw UsageError("{}: no such folder", names[i]);
    roots.emplace_back(names[i]);
  }
  return roots;
}

int run(int argc, char** argv) {
  const std::vector<fs::path> roots = argc > 1 ? named_roots(argc - 1, argv + 1) : default_roots();
  std::set<std::string_view> checked_here;
  for (const OracleChecker* checker : oracle_checkers()) checked_here.insert(checker->oracle);

  OracleReport report(isatty(STDOUT_FILENO) == 1);
  std::set<fs::path> done;
  std::string elsewhere;
  for (const fs::path& root : roots) {
    const std::vector<fs::path> folders = find_oracles(root);
    if (folders.empty() && argc > 1) {
      report.begin(root.string());
      report.fail("no oracle folder found", "looked for names such as lrurec, metrics");
    }
    for (const fs::path& folder : folders) {
      if (!done.insert(fs::canonical(folder)).second) continue;
      if (checked_here.contains(oracle_of_name(folder.filename().string()))) {
        check_oracle(folder, report);
      } else {
        elsewhere += (elsewhere.empty() ? "" : ", ") + folder.filename().string();
      }
    }
  }
  if (!elsewhere.empty()) fmt::print("not checked by this program: {}\n", elsewhere);
  const bool idle = !checked_here.empty() && argc == 1 && report.passed() + report.failed() == 0;
  if (idle) report.fail("nothing to check", "none of the default folders holds an oracle");
  fmt::print("{}\n", report.summary());
  return report.failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  try {
    return tandem::run(argc, argv);
  } catch (const tandem::Error& error) {
    fmt::print(stderr, "oracle: {}\n", error.what());
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    fmt::print(stderr, "oracle: {}\n", error.what());
    return 1;
  }
}
