// SPDX-License-Identifier: Apache-2.0
#include "models/generation_config.h"

#include <array>
#include <utility>

#include "core/error.h"
#include "core/json.h"

namespace tandem {
namespace {

// {} without the file.
Json read_generation(const fs::path& folder) {
  const fs::path path = folder / "generation_config.json";
  if (!fs::exists(path)) return Json::object();
  Json json = read_json(path);
  if (!json.is_object()) throw FormatError("{}: expected an object", path.string());
  return json;
}

// With the value that changes nothing; also null and false do not.
const std::array<std::pair<const char*, Json>, 16> kSettings = {{{"do_sample", false},
                                                                 {"temperature", 1.0},
                                                                 {"top_k", 0},
                                                                 {"top_p", 1.0},
                                                                 {"min_p", 0.0},
                                                                 {"typical_p", 1.0},
                                                                 {"repetition_penalty", 1.0},
                                                                 {"no_repeat_ngram_size", 0},
                                                                 {"num_beams", 1},
                                                                 {"length_penalty", 1.0},
                                                                 {"max_length", nullptr},
                                                                 {"max_new_tokens", nullptr},
                                                                 {"min_new_tokens", 0},
                                                                 {"suppress_tokens", nullptr},
                                                                 {"bad_words_ids", nullptr},
                                                                 {"stop_strings", nullptr}}};

}  // namespace

std::vector<int64_t> generation_eos_tokens(const fs::path& folder) {
  constexpr const char* kKey = "eos_token_id";
  const Json json = read_generation(folder);
  const auto found = json.find(kKey);
  if (found == json.end() || found->is_null()) return {};
  std::vector<int64_t> tokens;
  for (const Json& token : found->is_array() ? *found : Json::array({*found})) {
    if (!token.is_number_integer())
      throw FormatError("{}: key '{}' is {}, expected a token id, a list of them or null",
                        (folder / "generation_config.json").string(), kKey,
                        found->dump().substr(0, 80));
    if (token >= 0) tokens.push_back(token.get<int64_t>());  // -1 stands for none
  }
  return tokens;
}

std::vector<std::string> generation_settings(const fs::path& folder) {
  std::vector<std::string> settings;
  const Json json = read_generation(folder);
  for (const auto& [key, neutral] : kSettings) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null() || *found == false || *found == neutral) continue;
    settings.emplace_back(key);
  }
  return settings;
}

}  // namespace tandem
