// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tandem {

// SHA-256 as lower-case hex, fed piece by piece. Fingerprints of data sets and runs.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256& add(std::span<const std::byte> bytes);
  Sha256& add(std::string_view text);
  // Ends the computation; call once.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view text);

}  // namespace tandem
