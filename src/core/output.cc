// SPDX-License-Identifier: Apache-2.0
#include "core/output.h"

#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "core/error.h"

namespace tandem {
namespace {

// "out/" means "out".
fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

// The place that a path means, whatever the way to it.
fs::path place(const fs::path& path) {
  std::error_code error;
  const fs::path found = fs::weakly_canonical(fs::absolute(without_slash(path)), error);
  return error ? fs::absolute(path).lexically_normal() : found;
}

bool is_or_holds(const fs::path& folder, const fs::path& path) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

bool is_empty_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error) && fs::is_empty(path, error) && !error;
}

// A file or link in the folder that is not of the kind, or an empty path.
fs::path stranger_in(const fs::path& folder, const OutputKind& kind) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_directory() && !entry.is_symlink()) continue;
    const fs::path relative = entry.path().lexically_relative(folder);
    const bool own = std::ranges::any_of(kind.files, [&](std::string_view pattern) {
      return ::fnmatch(std::string(pattern).c_str(), relative.c_str(), 0) == 0;
    });
    if (!own) return relative;
  }
  return {};
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error)
    throw IoError("{}: cannot rename to {}: {}", from.string(), to.string(), error.message());
}

}  // namespace

Output::Output(const fs::path& target) : path_(without_slash(target)) {
  if (fs::exists(fs::symlink_status(path_)) && !is_empty_folder(path_))
    throw IoError("{}: exists already; choose another output or pass --overwrite", path_.string());
}

Output::Output(const fs::path& target, const OutputKind& kind, bool overwrite,
               const std::vector<fs::path>& inputs)
    : path_(without_slash(target)) {
  if (path_.empty()) throw UsageError("--output names no path");
  const fs::path own = place(path_);
  if (is_or_holds(own, place(fs::current_path())))
    throw UsageError("{}: is or holds the folder in which the program runs; choose another output",
                     path_.string());
  for (const fs::path& input : inputs) {
    if (!input.empty() && is_or_holds(own, place(input)))
      throw UsageError("{}: {} the input {}; choose another output", path_.string(),
                       own == place(input) ? "is" : "holds", input.string());
  }
  if (!fs::exists(fs::symlink_status(path_)) || (!kind.files.empty() && is_empty_folder(path_)))
    return;
  check_replaceable(kind);
  if (!overwrite)
    throw IoError("{}: exists already; choose another output{} or pass --overwrite", path_.string(),
                  kind.remedy);
  replaces_ = true;
}

void Output::check_replaceable(const OutputKind& kind) const {
  const bool folder = !kind.files.empty();
  if (fs::is_symlink(path_)) throw IoError("{}: is a link; name the place itself", path_.string());
  if (folder != fs::is_directory(path_) || (!folder && !fs::is_regular_file(path_)) ||
      !kind.recognises(path_))
    throw IoError("{}: exists and is not {} that Tandem wrote; choose another output",
                  path_.string(), kind.name);
  if (!folder) return;
  if (const fs::path stranger = stranger_in(path_, kind); !stranger.empty())
    throw IoError("{}: holds '{}', which is no part of {}; move it away or choose another output",
                  path_.string(), stranger.string(), kind.name);
}

StagedFolder::StagedFolder(const Output& output)
    : target_(output.path()), replaces_(output.replaces()) {
  staging_ = target_.string() + ".part" + std::to_string(::getpid());
  std::error_code error;
  fs::remove_all(staging_, error);
  fs::create_directories(staging_, error);
  if (error) throw IoError("{}: cannot create: {}", staging_.string(), error.message());
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(staging_, ignored);
}

void StagedFolder::commit() {
  if (interrupted()) throw Stopped("{}: interrupted, nothing was written", target_.string());
  if (!fs::exists(target_) || is_empty_folder(target_)) {
    rename_or_throw(staging_, target_);
    committed_ = true;
    return;
  }
  if (!replaces_) throw IoError("{}: appeared while it was being written", target_.string());
  const fs::path old = target_.string() + ".old" + std::to_string(::getpid());
  rename_or_throw(target_, old);
  try {
    rename_or_throw(staging_, target_);
  } catch (const IoError&) {
    std::error_code ignored;
    fs::rename(old, target_, ignored);
    throw;
  }
  committed_ = true;
  std::error_code error;
  fs::remove_all(old, error);
  if (error)
    throw IoError("{}: was replaced, but the old one cannot be removed from {}: {}",
                  target_.string(), old.string(), error.message());
}

}  // namespace tandem
