// SPDX-License-Identifier: Apache-2.0
#include "offline/score_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>

#include "core/error.h"
#include "core/sha256.h"

namespace tandem {
namespace {

// The file: the settings as one line of JSON, then records:
//   pass name (64 bytes, hex), number of floats (i64), floats, SHA-256 of all that (64 bytes, hex)
constexpr std::string_view kFormat = "tandem-scores-1";
constexpr size_t kHex = 64;

std::string header_line(const Json& settings) {
  return Json{{"format", kFormat}, {"settings", settings}}.dump(-1, ' ', false,
                                                                Json::error_handler_t::replace) +
         "\n";
}

void append_bytes(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.flush();
  if (!out) throw IoError("{}: cannot be written: {}", path.string(), std::strerror(errno));
}

// The record at the front of `bytes`, taken off them; false where none is whole.
bool take_record(std::string_view& bytes, std::string& pass, std::vector<float>& values) {
  int64_t count = 0;
  if (bytes.size() < kHex + sizeof count) return false;
  std::memcpy(&count, bytes.data() + kHex, sizeof count);
  const size_t fixed = kHex + sizeof count + kHex;
  if (count < 0 || bytes.size() < fixed ||
      static_cast<uint64_t>(count) > (bytes.size() - fixed) / sizeof(float))
    return false;
  const size_t body = kHex + sizeof count + static_cast<size_t>(count) * sizeof(float);
  if (sha256_hex(bytes.substr(0, body)) != bytes.substr(body, kHex)) return false;
  pass = bytes.substr(0, kHex);
  values.resize(count);
  std::memcpy(values.data(), bytes.data() + kHex + sizeof count, values.size() * sizeof(float));
  bytes.remove_prefix(body + kHex);
  return true;
}

std::string text_of(const Json& settings, const std::string& key) {
  return settings.contains(key) ? settings[key].dump(-1, ' ', false, Json::error_handler_t::replace)
                                : "none";
}

std::vector<std::string> differences(const Json& was, const Json& is) {
  std::vector<std::string> lines;
  const auto compare = [&](const std::string& key) {
    if (text_of(was, key) != text_of(is, key))
      lines.push_back(fmt::format("{}: was {}, is {}", key, text_of(was, key), text_of(is, key)));
  };
  for (const auto& entry : is.items()) compare(entry.key());
  for (const auto& entry : was.items())
    if (!is.contains(entry.key())) compare(entry.key());
  return lines;
}

}  // namespace

ScoreLog::ScoreLog(fs::path path, const Json& settings, bool resume) : path_(std::move(path)) {
  if (resume && fs::exists(path_)) {
    read(settings);
  } else {
    write_file(path_, header_line(settings));
  }
}

void ScoreLog::read(const Json& settings) {
  std::string content = read_file(path_);
  std::string_view rest = content;
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos)
    throw FormatError("{}: expected kept scores; their first line has no end", path_.string());
  const Json header = parse_json(rest.substr(0, end), path_.string());
  const auto format = json_get<std::string>(header, "format", path_.string());
  if (format != kFormat)
    throw FormatError("{}: format is '{}', expected '{}'", path_.string(), format, kFormat);
  const auto lines = differences(json_get<Json>(header, "settings", path_.string()), settings);
  if (!lines.empty())
    throw UsageError(
        "{}: these scores were made with other settings:\n  {}\n--resume goes on with "
        "the same ones; --overwrite in its place starts anew",
        path_.string(), fmt::join(lines, "\n  "));
  rest.remove_prefix(end + 1);
  std::string pass;
  std::vector<float> values;
  while (take_record(rest, pass, values)) {
    std::vector<float>& kept = passes_[pass];
    kept.insert(kept.end(), values.begin(), values.end());
  }
  if (!rest.empty()) write_file(path_, content.substr(0, content.size() - rest.size()));
}

const std::vector<float>& ScoreLog::rows_of(const std::string& pass) const {
  static const std::vector<float> none;
  const auto found = passes_.find(pass);
  return found == passes_.end() ? none : found->second;
}

void ScoreLog::append(const std::string& pass, const float* rows, int64_t count, int64_t columns) {
  if (pass.size() != kHex)
    throw ShapeError("a pass is called '{}', expected {} letters", pass, kHex);
  const int64_t floats = count * columns;
  std::string record = pass;
  record.append(reinterpret_cast<const char*>(&floats), sizeof floats);
  record.append(reinterpret_cast<const char*>(rows), static_cast<size_t>(floats) * sizeof(float));
  append_bytes(path_, record + sha256_hex(record));
}

void ScoreLog::remove() const { fs::remove(path_); }

std::string files_signature(const fs::path& path) {
  if (path.empty()) return "";
  std::vector<std::string> lines;
  const auto add = [&](const fs::path& file) {
    lines.push_back(fmt::format("{} {} {}", fs::relative(file, path).string(), fs::file_size(file),
                                fs::last_write_time(file).time_since_epoch().count()));
  };
  try {
    if (fs::is_directory(path)) {
      for (const auto& entry : fs::recursive_directory_iterator(path))
        if (entry.is_regular_file()) add(entry.path());
    } else {
      add(path);
    }
  } catch (const fs::filesystem_error& error) {
    throw IoError("{}: {}", path.string(), error.code().message());
  }
  std::ranges::sort(lines);
  return sha256_hex(fmt::format("{}", fmt::join(lines, "\n"))).substr(0, 12);
}

}  // namespace tandem
