// SPDX-License-Identifier: Apache-2.0
#include "formats/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/machine.h"

namespace tandem {
namespace {

constexpr const char* kName = "lock";

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

std::string first_line(int file) {
  char text[256];
  const ssize_t size = ::pread(file, text, sizeof text, 0);
  std::string line(text, size > 0 ? static_cast<size_t>(size) : 0);
  line.resize(std::min(line.find('\n'), line.size()));
  return line.empty() ? "another process" : line;
}

}  // namespace

RunLock::RunLock(const fs::path& run) {
  while (!try_lock(run)) close();
  const std::string holder =
      fmt::format("process {} on {} since {}\n", ::getpid(), host_name(), utc_now());
  if (::ftruncate(file_, 0) != 0 ||
      ::pwrite(file_, holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size())) {
    const std::string why = std::strerror(errno);
    close();
    throw IoError("{}: cannot write: {}", (run / kName).string(), why);
  }
}

// False when the folder or the file was replaced or removed meanwhile.
bool RunLock::try_lock(const fs::path& run) {
  folder_ = ::open(run.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_ >= 0) file_ = ::openat(folder_, kName, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) {
    const std::string why = std::strerror(errno);
    close();
    throw IoError("{}: cannot open: {}", (run / kName).string(), why);
  }
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      const std::string holder = first_line(file_);
      close();
      throw IoError(
          "{}: {} is training in this folder; wait for its end or choose another --output",
          run.string(), holder);
    }
    spdlog::warn("{}: cannot be locked ({}); start no second training in it", run.string(),
                 std::strerror(errno));
  }
  struct stat folder {
  }, named_folder{}, file{}, named_file{};
  return ::fstat(folder_, &folder) == 0 && ::stat(run.c_str(), &named_folder) == 0 &&
         same_file(folder, named_folder) && ::fstat(file_, &file) == 0 &&
         ::fstatat(folder_, kName, &named_file, 0) == 0 && same_file(file, named_file);
}

// Whoever opened the file before it is removed sees that it has no name and opens another.
RunLock::~RunLock() {
  if (file_ >= 0) ::unlinkat(folder_, kName, 0);
  close();
}

RunLock::RunLock(RunLock&& other) noexcept
    : folder_(std::exchange(other.folder_, -1)), file_(std::exchange(other.file_, -1)) {}

RunLock& RunLock::operator=(RunLock&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(file_, other.file_);
  return *this;
}

void RunLock::close() {
  if (file_ >= 0) ::close(file_);
  if (folder_ >= 0) ::close(folder_);
  folder_ = file_ = -1;
}

}  // namespace tandem
