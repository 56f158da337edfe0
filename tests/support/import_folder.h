// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "core/error.h"
#include "data/dataset.h"
#include "data/import.h"
#include "support/temporary_folder.h"

namespace tandem::test {

// Files to import and what came of them, as text.
class ImportFolder : public testing::Test {
 protected:
  fs::path put(const std::string& name, std::string_view text) {
    const fs::path path = folder_ / "in" / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  fs::path in() const { return folder_ / "in"; }

  // Without a core, so that a few lines are a data set.
  ImportReport import(const fs::path& input, const std::string& format = "auto",
                      const std::string& columns = "", const fs::path& meta = {}) {
    ImportOptions options;
    options.format = format;
    options.input = input;
    if (!columns.empty()) options.columns = parse_column_map(columns);
    if (!meta.empty()) options.meta = meta;
    return import(options);
  }
  ImportReport import(ImportOptions options) {
    options.min_user = options.min_item = 0;
    options.overwrite = true;
    ThreadPool pool(2);
    last_ = import_dataset(options, folder_ / "out", pool);
    return last_;
  }
  // "u1: a b c; u2: b a"
  std::string orders() const {
    const Dataset data = Dataset::open(folder_ / "out");
    std::string text;
    for (int64_t user = 0; user < data.num_users(); ++user) {
      text += fmt::format("{}{}:", user > 0 ? "; " : "", data.user_id(user));
      for (const int32_t item : data.items(user)) text += fmt::format(" {}", data.item_id(item));
    }
    return text;
  }
  std::string times(int64_t user = 0) const {
    const Dataset data = Dataset::open(folder_ / "out");
    return fmt::format("{}", fmt::join(data.timestamps(user), " "));
  }
  // "a=Alpha; b=Beta" of the items that have one.
  std::string titles() const {
    const Dataset data = Dataset::open(folder_ / "out");
    std::string text;
    for (int32_t item = 1; item <= data.num_items(); ++item) {
      if (data.title(item) == data.item_id(item)) continue;
      text +=
          fmt::format("{}{}={}", text.empty() ? "" : "; ", data.item_id(item), data.title(item));
    }
    return text;
  }
  std::string warnings() const { return fmt::format("{}", fmt::join(last_.warnings, "\n")); }
  // What import() throws, without the folder's name.
  template <typename... Args>
  std::string failure(Args... args) {
    try {
      import(args...);
    } catch (const Error& error) {
      std::string text = error.what();
      const std::string folder = in().string();
      for (size_t at; (at = text.find(folder)) != std::string::npos;)
        text.erase(at, folder.size() + (text.substr(at + folder.size()).starts_with('/') ? 1 : 0));
      return fmt::format("{}: {}", static_cast<int>(error.exit_code()), text);
    }
    return "no error";
  }

  TemporaryFolder folder_;
  ImportReport last_;
};

inline bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace tandem::test
