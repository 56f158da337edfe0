// SPDX-License-Identifier: Apache-2.0
#include "data/text_source.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace tandem {
namespace {

constexpr size_t kBlockBytes = size_t{32} << 20;
constexpr size_t kMaxLineBytes = size_t{1} << 30;
constexpr size_t kSampleBytes = size_t{64} << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Files that hold tables and are no text, by their first bytes.
struct Container {
  std::string_view begin, what, advice;
};
using namespace std::string_view_literals;
constexpr Container kContainers[] = {
    {"PAR1\x15", "a Parquet file", "write it as CSV or JSON lines"},
    {"ARROW1\0"sv, "an Arrow or Feather file", "write it as CSV or JSON lines"},
    {"SQLite format 3\0"sv, "an SQLite database", "write the table as CSV"},
    {"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or write the sheet as CSV"},
    {"\x28\xB5\x2F\xFD", "a zstd archive", "unpack it, or write it as .gz"},
    {"\xFD"
     "7zXZ",
     "an xz archive", "unpack it, or write it as .gz"},
    {"BZh91AY&SY", "a bzip2 archive", "unpack it, or write it as .gz"},
    {"\x89HDF", "an HDF5 file", "write the table as CSV"},
};

}  // namespace

struct TextSource::Inflater {
  z_stream stream{};
  size_t fed = 0;        // bytes of the file given to zlib
  bool between = false;  // a member has ended, another may follow
  ~Inflater() { inflateEnd(&stream); }
};

TextSource::TextSource(const fs::path& path) : name_(path.string()), file_(path) {
  const std::string_view bytes = file_.text();
  if (bytes.starts_with("\x1f\x8b")) {
    inflater_ = std::make_unique<Inflater>();
    if (inflateInit2(&inflater_->stream, 15 + 16) != Z_OK)
      throw IoError("{}: zlib has no memory", name_);
    end_ = false;
    copied_ = true;
    fill(kByteOrderMark.size());
  }
  for (const Container& container : kContainers)
    if (available().starts_with(container.begin))
      throw FormatError("{}: found {}, expected text; {}", name_, container.what, container.advice);
  if (available().starts_with("\xFF\xFE") || available().starts_with("\xFE\xFF"))
    throw FormatError("{}:1: found UTF-16, expected UTF-8 text (iconv -f utf-16 -t utf-8 converts)",
                      name_);
  if (available().starts_with(kByteOrderMark)) at_ += kByteOrderMark.size();
  settle_line_ends();
}

TextSource::~TextSource() = default;

std::string_view TextSource::available() const {
  return (copied_ ? std::string_view(inflated_) : file_.text()).substr(at_);
}

// A text whose beginning has CR and no LF is one of an old Mac, or was written as one.
void TextSource::settle_line_ends() {
  fill(kSampleBytes);
  const std::string_view begin = available().substr(0, kSampleBytes);
  const size_t first = begin.find('\r');
  if (first == std::string_view::npos || first + 1 >= begin.size() ||
      begin.find('\n') != std::string_view::npos)
    return;
  if (inflater_)
    throw FormatError("{}:1: found lines that end with CR alone, expected LF or CR LF", name_);
  inflated_ = std::string(available());
  std::replace(inflated_.begin(), inflated_.end(), '\r', '\n');
  copied_ = true;
  at_ = 0;
}

void TextSource::fail_gzip(std::string_view found) {
  throw FormatError("{}:{}: found {}, expected a complete gzip file", name_, inflated_lines_ + 1,
                    found);
}

// Inflates until at least `bytes` are available or the file ends.
void TextSource::fill(size_t bytes) {
  if (end_ || available().size() >= bytes) return;
  inflated_.erase(0, at_);
  at_ = 0;
  z_stream& stream = inflater_->stream;
  const std::string_view file = file_.text();
  while (inflated_.size() < bytes) {
    if (inflater_->between) {
      // Zeros may pad the end of a gzip file; anything else must be another member.
      if (file.find_first_not_of('\0', inflater_->fed) == std::string_view::npos) {
        end_ = true;
        return;
      }
      inflateReset(&stream);
      inflater_->between = false;
    }
    const size_t step =
        std::min<size_t>(file.size() - inflater_->fed, std::numeric_limits<uInt>::max());
    const size_t old = inflated_.size(),
                 room = std::min<size_t>(std::max<size_t>(bytes - old, 4096), size_t{1} << 20);
    inflated_.resize(old + room);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(file.data() + inflater_->fed));
    stream.avail_in = static_cast<uInt>(step);
    stream.next_out = reinterpret_cast<Bytef*>(inflated_.data() + old);
    stream.avail_out = static_cast<uInt>(room);
    const int status = inflate(&stream, Z_NO_FLUSH);
    inflater_->fed += step - stream.avail_in;
    inflated_.resize(old + room - stream.avail_out);
    inflated_lines_ +=
        std::count(inflated_.begin() + static_cast<int64_t>(old), inflated_.end(), '\n');
    if (status == Z_STREAM_END) {
      inflater_->between = true;
    } else if (status == Z_BUF_ERROR ||
               (status == Z_OK && inflater_->fed == file.size() && stream.avail_out > 0)) {
      fail_gzip("the end of a truncated gz stream");
    } else if (status != Z_OK) {
      fail_gzip(fmt::format("corrupt gz data ({})", stream.msg ? stream.msg : "no details"));
    }
  }
}

// The line end of the first available line, or the end of the file.
size_t TextSource::find_line_end() {
  size_t from = 0;
  for (;;) {
    const std::string_view text = available();
    const size_t found = text.find('\n', from);
    if (found != std::string_view::npos) return found;
    if (end_) return text.size();
    if (text.size() > kMaxLineBytes)
      throw FormatError("{}:{}: found a line of over {} bytes, expected lines", name_, line_ + 1,
                        text.size());
    from = text.size();
    fill(text.size() + 65536);
  }
}

std::string_view TextSource::peek_line() {
  const size_t size = find_line_end();
  std::string_view line = available().substr(0, size);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view TextSource::sample() {
  fill(kSampleBytes);
  const std::string_view text = available();
  if (text.size() <= kSampleBytes) return text;
  return text.substr(0, std::min(text.find('\n', kSampleBytes), text.size()));
}

void TextSource::take_line() {
  at_ += std::min(find_line_end() + 1, available().size());
  ++line_;
}

bool TextSource::next(std::string_view& block) {
  fill(kBlockBytes);
  if (!end_) {
    find_line_end();
    block = available();
    block = block.substr(0, block.rfind('\n') + 1);
  } else {
    block = available();
  }
  at_ += block.size();
  return !block.empty();
}

bool TextSource::contains(char c) {
  fill(kBlockBytes);
  return available().find(c) != std::string_view::npos;
}

std::string_view TextSource::rest() {
  while (!end_) fill(available().size() + kBlockBytes);
  const std::string_view text = available();
  at_ += text.size();
  return text;
}

std::string_view cut_line(std::string_view& block) {
  const size_t size = std::min(block.find('\n'), block.size());
  std::string_view line = block.substr(0, size);
  block.remove_prefix(std::min(size + 1, block.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace tandem
