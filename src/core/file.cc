// SPDX-License-Identifier: Apache-2.0
#include "core/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace tandem {
namespace {

std::string reason() { return std::strerror(errno); }

// An open file descriptor that closes itself.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) throw IoError("{}: cannot open: {}", path.string(), reason());
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) throw IoError("{}: {}", path.string(), reason());
  if (!S_ISREG(status.st_mode)) throw IoError("{}: not a regular file", path.string());
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (mapped == MAP_FAILED) throw IoError("{}: cannot map: {}", path.string(), reason());
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

std::string read_file(const fs::path& path) { return std::string(MappedFile(path).text()); }

void write_file(const fs::path& path, std::string_view content) {
  write_file(path, std::as_bytes(std::span(content)));
}

void write_file(const fs::path& path, std::span<const std::byte> content) {
  write_file(path, std::span(&content, 1));
}

void write_file(const fs::path& path, std::span<const std::span<const std::byte>> pieces) {
  const fs::path temporary = path.string() + ".part" + std::to_string(::getpid());
  const auto fail = [&](std::string_view what) {
    const std::string why = reason();
    ::unlink(temporary.c_str());
    throw IoError("{}: {}: {}", temporary.string(), what, why);
  };
  {
    const Descriptor file{
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (file.fd < 0) throw IoError("{}: cannot create: {}", temporary.string(), reason());
    for (std::span<const std::byte> piece : pieces) {
      while (!piece.empty()) {
        const ssize_t written = ::write(file.fd, piece.data(), piece.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail("cannot write");
        piece = piece.subspan(written);
      }
    }
    if (::fsync(file.fd) != 0) fail("cannot flush to the disk");
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("cannot rename to " + path.string());
}

}  // namespace tandem
