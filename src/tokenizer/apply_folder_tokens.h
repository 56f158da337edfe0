// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tokenizer/editable_tokenizer.h"
#include "tokenizer/folder_tokens.h"

namespace tandem {

// Where the vocabulary came from: who adds BOS and EOS depends on it.
enum class VocabularyFile { kTokenizerJson, kSentencePiece, kOther };

// Puts into a tokenizer what its folder declares.
//
// Added tokens get their ids as in transformers (4 and 5, fast classes): one that the vocabulary
// has keeps that id, others follow the vocabulary in the order of their declared ids, then names
// that are in no vocabulary. A declared id that thus is another one is told in a warning.
//
// BOS and EOS, by add_bos_token and add_eos_token:
//   tokenizer.json   only of the classes that build the template themselves in transformers 4
//                    (Llama, CodeLlama, Gemma, Cohere, GPTNeoX): where a flag stands, or the file's
//                    template adds nothing, the flags decide (unset: BOS but for GPTNeoX, no EOS).
//                    transformers 5 never looks at the flags beside a tokenizer.json. Of other
//                    classes neither does; a flag that so has no effect is told.
//   SentencePiece    the flags decide; unset: BOS where the model has one, else EOS
//   other            the flags decide; unset: as the loader does
void apply_folder_tokens(const FolderTokens& tokens, VocabularyFile from,
                         EditableTokenizer& tokenizer);

}  // namespace tandem
