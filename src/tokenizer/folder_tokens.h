// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/file.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/json_fields.h"

namespace tandem {

// What the small files beside a vocabulary declare, by the rules of transformers 4 and 5, which
// agree here:
//
//   tokenizer_config.json     added_tokens_decoder {id: token}; *_token, additional_special_tokens
//                             and extra_special_tokens name the special ones
//   added_tokens.json         {text: id}      } only where there is no added_tokens_decoder; what
//   special_tokens_map.json   *_token, ...    } the map names goes before tokenizer_config.json
//
// A token is a text or an object {content, special, lstrip, ...}.
struct FolderTokens {
  struct Declared {
    int64_t id = 0;
    AddedToken token;
  };

  fs::path config_path;
  TokenizerJson config;         // {} where there is no file
  std::string added_from;       // the file and key of `added`, for messages
  std::vector<Declared> added;  // by id
  std::vector<std::pair<std::string, AddedToken>>
      named;                      // "bos_token", ..., as transformers counts
  std::vector<AddedToken> extra;  // special, without a role

  // The text that a role names; "" for none.
  std::string text_of(std::string_view role) const;
};

// Throws FormatError that names file and key, IoError. Warns of tokens in added_tokens.json that do
// not count.
FolderTokens read_folder_tokens(const fs::path& folder);

}  // namespace tandem
