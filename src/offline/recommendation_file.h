// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <string>

#include "core/output.h"
#include "data/dataset.h"
#include "offline/recommend_all.h"

namespace tandem {

extern const OutputKind kRecommendationFile;

// Recommendations of many users as a file that appears whole or not at all, written as they come.
// By its ending
//   .jsonl  an object a user:
//           {"user_id", "source", "recommendations": [{"rank", "item_id", "title", "score"}]}
//   .csv    a line a recommendation: user_id,rank,item_id,title,score,source
// source is the model's type or "popularity". UsageError for another ending, IoError.
class RecommendationFile {
 public:
  // The data set must outlive the file.
  RecommendationFile(const Output& output, const Dataset& dataset, std::string model_type);
  ~RecommendationFile();
  RecommendationFile(const RecommendationFile&) = delete;
  RecommendationFile& operator=(const RecommendationFile&) = delete;

  void add(const UserRecommendations& user);
  void commit();

 private:
  void write(const std::string& text);
  [[noreturn]] void fail() const;

  fs::path target_, writing_;
  const Dataset& dataset_;
  std::string model_type_;
  bool csv_;
  std::FILE* file_ = nullptr;
};

}  // namespace tandem
