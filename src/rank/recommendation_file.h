// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <string>

#include "core/file.h"
#include "data/dataset.h"
#include "rank/recommend.h"

namespace tandem {

// Whether what lies at the path was written by a RecommendationFile.
bool is_recommendation_file(const fs::path& path);

// Recommendations of many users as a file that appears whole or not at all, written as they come.
// By its ending
//   .jsonl  an object a user: {"user_id", "source", "recommendations": [{"rank", "item_id",
//   "title",
//           "score"}]}
//   .csv    a line a recommendation: user_id,rank,item_id,title,score,source
// source is the model's type or "popularity". A file of recommendations at the path is replaced
// only with overwrite, any other file never. UsageError for another ending, IoError.
class RecommendationFile {
 public:
  // The data set must outlive the file.
  RecommendationFile(fs::path path, bool overwrite, const Dataset& dataset, std::string model_type);
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
