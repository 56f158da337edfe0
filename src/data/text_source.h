// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/file.h"

namespace tandem {

// A text file, plain (mapped) or gzip (inflated as it is read; told by its first bytes, not its
// name), handed out in blocks of whole lines. A byte order mark is skipped. Lines may end with LF, CR
// LF or, in a plain file, CR alone. Throws IoError, and FormatError for a broken gzip, a gzip with CR
// alone, or UTF-16.
class TextSource {
 public:
  explicit TextSource(const fs::path& path);
  ~TextSource();

  const std::string& name() const { return name_; }
  // The first line not yet taken, without its line end; "" at the end of the file.
  std::string_view peek_line();
  void take_line();
  // The first whole lines not yet taken, about 64 KiB of them.
  std::string_view sample();
  // Lines taken so far by take_line().
  int64_t line() const { return line_; }

  // The next whole lines, all of a plain file at once, about 32 MiB of a gzip; only the last block
  // may lack its line end. False at the end. The view is valid until the next call.
  bool next(std::string_view& block);
  // Whether the character occurs in what is left; of a gzip, in about the next 32 MiB.
  bool contains(char c);
  // Everything that is left, at once.
  std::string_view rest();

 private:
  struct Inflater;
  void fill(size_t bytes);
  void settle_line_ends();
  void fail_gzip(std::string_view found);
  std::string_view available() const;
  size_t find_line_end();

  std::string name_;
  MappedFile file_;
  std::unique_ptr<Inflater> inflater_;
  // gzip: text not yet consumed, from at_; CR alone: the whole text, with LF
  std::string inflated_;
  bool copied_ = false;  // the text is in inflated_
  size_t at_ = 0;        // plain: position in the mapping
  int64_t inflated_lines_ = 0;
  bool end_ = true;  // nothing beyond available()
  int64_t line_ = 0;
};

// Cuts the first line off a block of lines and gives it without its LF or CR LF.
std::string_view cut_line(std::string_view& block);

}  // namespace tandem
