// SPDX-License-Identifier: Apache-2.0
#include "offline/recommendation_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "data/export.h"

namespace tandem {
namespace {

constexpr std::string_view kHeader = "user_id,rank,item_id,title,score,source\n";

bool ends_as_csv(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension != ".csv" && extension != ".jsonl")
    throw UsageError("{}: recommendations are written as .jsonl or .csv", path.string());
  return extension == ".csv";
}

// Scores are float32: as few digits as tell them apart.
std::string score_text(double score) { return fmt::format("{}", static_cast<float>(score)); }

}  // namespace

const OutputKind kRecommendationFile = {
    .name = "a file of recommendations", .recognises = [](const fs::path& path) {
      try {
        const MappedFile file(path);
        if (file.text().starts_with(kHeader)) return true;
        const Json first = parse_json(file.text().substr(0, file.text().find('\n')), "");
        return first.is_object() && first.contains("user_id") && first.contains("source") &&
               first.contains("recommendations");
      } catch (const Error&) {
        return false;
      }
    }};

RecommendationFile::RecommendationFile(const Output& output, const Dataset& dataset,
                                       std::string model_type)
    : target_(output.path()),
      writing_(target_.string() + ".part" + std::to_string(::getpid())),
      dataset_(dataset),
      model_type_(std::move(model_type)),
      csv_(ends_as_csv(target_)),
      file_(std::fopen(writing_.c_str(), "wb")) {
  if (file_ == nullptr) fail();
  if (csv_) write(std::string(kHeader));
}

RecommendationFile::~RecommendationFile() {
  if (file_ != nullptr) std::fclose(file_);
  std::error_code ignored;
  fs::remove(writing_, ignored);
}

void RecommendationFile::fail() const {
  throw IoError("{}: cannot write: {}", writing_.string(), std::strerror(errno));
}

void RecommendationFile::write(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail();
}

void RecommendationFile::add(const UserRecommendations& user) {
  const std::string_view user_id = dataset_.user_id(user.user);
  const std::string_view source = user.popular ? "popularity" : std::string_view(model_type_);
  if (!csv_) {
    Json list = Json::array();
    for (const Recommendation& entry : user.items)
      list.push_back({{"rank", list.size() + 1},
                      {"item_id", dataset_.item_id(entry.item)},
                      {"title", dataset_.title(entry.item)},
                      {"score", std::stod(score_text(entry.score))}});
    const Json line = {{"user_id", user_id}, {"source", source}, {"recommendations", list}};
    return write(line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  std::string lines;
  for (size_t i = 0; i < user.items.size(); ++i) {
    const Recommendation& entry = user.items[i];
    lines += fmt::format("{},{},{},{},{},{}\n", csv_field(user_id), i + 1,
                         csv_field(dataset_.item_id(entry.item)),
                         csv_field(dataset_.title(entry.item)), score_text(entry.score), source);
  }
  write(lines);
}

void RecommendationFile::commit() {
  if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) fail();
  if (std::fclose(std::exchange(file_, nullptr)) != 0) fail();
  std::error_code error;
  fs::rename(writing_, target_, error);
  if (error) throw IoError("{}: cannot write: {}", target_.string(), error.message());
}

}  // namespace tandem
