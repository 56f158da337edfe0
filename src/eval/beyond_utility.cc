// SPDX-License-Identifier: Apache-2.0
#include "eval/beyond_utility.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/plural.h"
#include "eval/summary.h"

namespace tandem {
namespace {

constexpr std::string_view kFormat = "tandem-beyond-utility-1";

// A list of JSON objects from a range, and back; an absent list is an empty one.
template <typename Range, typename Make>
Json list_of(const Range& range, const Make& make) {
  Json list = Json::array();
  for (const auto& entry : range) list.push_back(make(entry));
  return list;
}

template <typename Read>
auto read_list(const Json& json, const char* key, const std::string& where, const Read& read) {
  std::vector<decltype(read(json))> result;
  const Json list = json_get_or<Json>(json, key, Json::array(), where);
  if (!list.is_array()) throw FormatError("{}: '{}' is not a list", where, key);
  for (const Json& entry : list) result.push_back(read(entry));
  return result;
}

Interval read_interval(const Json& json, const std::string& where) {
  return {json_get<double>(json, "low", where), json_get<double>(json, "high", where)};
}

Json curve_json(const LengthCurve& curve) {
  return {{"system", curve.system},
          {"metric", curve.metric},
          {"groups", list_of(curve.groups, [](const LengthGroup& group) {
             Json json = value_json(group.value, group.interval);
             json["from"] = group.shortest;
             json["to"] = group.longest;
             json["users"] = group.num_users;
             return json;
           })}};
}

LengthCurve read_curve(const Json& json, const std::string& where) {
  return {json_get<std::string>(json, "system", where),
          json_get<std::string>(json, "metric", where),
          read_list(json, "groups", where, [&](const Json& group) {
            return LengthGroup{
                json_get<int32_t>(group, "from", where), json_get<int32_t>(group, "to", where),
                json_get<int64_t>(group, "users", where), json_get<double>(group, "value", where),
                read_interval(group, where)};
          })};
}

Json bias_json(const PositionBias& bias) {
  int64_t place = 0;
  return {{"system", bias.system},
          {"order_seed", bias.seed},
          {"choice_distance", bias.choice_distance},
          {"positions", list_of(bias.rows, [&](const PositionRow& row) {
             return Json{{"position", ++place},
                         {"users", row.num_users},
                         {"Recall@1", value_json(row.recall1, row.recall1_interval)},
                         {"NDCG@10", value_json(row.ndcg10, row.ndcg10_interval)},
                         {"first_choices", row.first_choices}};
           })}};
}

PositionBias read_bias(const Json& json, const std::string& where) {
  return {json_get<std::string>(json, "system", where),
          json_get<uint64_t>(json, "order_seed", where),
          json_get<double>(json, "choice_distance", where),
          read_list(json, "positions", where, [&](const Json& row) {
            const Json recall = json_get<Json>(row, "Recall@1", where),
                       ndcg = json_get<Json>(row, "NDCG@10", where);
            return PositionRow{.num_users = json_get<int64_t>(row, "users", where),
                               .recall1 = json_get<double>(recall, "value", where),
                               .ndcg10 = json_get<double>(ndcg, "value", where),
                               .recall1_interval = read_interval(recall, where),
                               .ndcg10_interval = read_interval(ndcg, where),
                               .first_choices = json_get<double>(row, "first_choices", where)};
          })};
}

Json profile_json(const ListProfile& profile) {
  Json metrics = Json::object();
  for (const ListMetric& metric : profile.metrics) {
    metrics[metric.name] = {{"value", metric.value}};
    if (metric.interval) metrics[metric.name] = value_json(metric.value, *metric.interval);
  }
  return {{"system", profile.system}, {"metrics", metrics}};
}

ListProfile read_profile(const Json& json, const std::string& where) {
  ListProfile profile{json_get<std::string>(json, "system", where)};
  const Json metrics = json_get<Json>(json, "metrics", where);
  for (const auto& [name, metric] : metrics.items()) {
    profile.metrics.push_back({name, json_get<double>(metric, "value", where)});
    if (metric.contains("low")) profile.metrics.back().interval = read_interval(metric, where);
  }
  return profile;
}

Json example_json(const RankingExample& example) {
  return {{"user", example.user},
          {"system", example.system},
          {"prompt", example.prompt},
          {"candidates", list_of(example.candidates,
                                 [](const RankingExample::Candidate& candidate) {
                                   return Json{{"letter", candidate.letter},
                                               {"title", candidate.title},
                                               {"probability", candidate.probability}};
                                 })},
          {"answer", example.answer}};
}

RankingExample read_example(const Json& json, const std::string& where) {
  RankingExample example{
      .user = json_get<std::string>(json, "user", where),
      .system = json_get<std::string>(json, "system", where),
      .prompt = json_get<std::string>(json, "prompt", where),
      .candidates = read_list(json, "candidates", where,
                              [&](const Json& candidate) {
                                return RankingExample::Candidate{
                                    json_get<std::string>(candidate, "letter", where),
                                    json_get<std::string>(candidate, "title", where),
                                    json_get<double>(candidate, "probability", where)};
                              }),
      .answer = json_get<int64_t>(json, "answer", where)};
  if (example.answer < 0 || example.answer >= std::ssize(example.candidates))
    throw FormatError("{}: an example's answer is {}, it has {} candidates", where, example.answer,
                      example.candidates.size());
  return example;
}

Json generation_json(const GenerationQuality& quality) {
  return {
      {"system", quality.system},
      {"users", quality.num_users},
      {"list_size", quality.list_size},
      {"format_compliance", quality.compliant},
      {"titles_a_user", quality.titles_a_user},
      {"hallucination_rate", quality.hallucinated},
      {"share_among_candidates", quality.in_pool},
      {"share_repeated", quality.repeated},
      {"Recall@10", quality.recall10},
      {"NDCG@10", quality.ndcg10},
      {"samples", list_of(quality.samples, [](const GenerationQuality::Sample& sample) {
         return Json{{"user", sample.user}, {"prompt", sample.prompt}, {"answer", sample.answer}};
       })}};
}

GenerationQuality read_generation(const Json& json, const std::string& where) {
  return {.system = json_get<std::string>(json, "system", where),
          .num_users = json_get<int64_t>(json, "users", where),
          .list_size = json_get<int64_t>(json, "list_size", where),
          .compliant = json_get<double>(json, "format_compliance", where),
          .titles_a_user = json_get<double>(json, "titles_a_user", where),
          .hallucinated = json_get<double>(json, "hallucination_rate", where),
          .in_pool = json_get<double>(json, "share_among_candidates", where),
          .repeated = json_get<double>(json, "share_repeated", where),
          .recall10 = json_get<double>(json, "Recall@10", where),
          .ndcg10 = json_get<double>(json, "NDCG@10", where),
          .samples = read_list(json, "samples", where, [&](const Json& sample) {
            return GenerationQuality::Sample{json_get<std::string>(sample, "user", where),
                                             json_get<std::string>(sample, "prompt", where),
                                             json_get<std::string>(sample, "answer", where)};
          })};
}

// Groups as rows, systems as columns; intervals are in the JSON.
std::string curves_text(const std::vector<LengthCurve>& curves, const std::string& title) {
  if (curves.empty()) return "";
  std::string text =
      wrapped(fmt::format("{} of {}", curves[0].metric, title)) + fmt::format("{:<14}", "items");
  for (const LengthCurve& curve : curves) text += fmt::format("{:>12}", curve.system);
  text += fmt::format("{:>9}\n", "users");
  for (size_t g = 0; g < curves[0].groups.size(); ++g) {
    text += fmt::format("{:<14}", length_name(curves[0].groups[g]));
    for (const LengthCurve& curve : curves)
      text += g < curve.groups.size() ? fmt::format("{:>12.4f}", curve.groups[g].value)
                                      : fmt::format("{:>12}", "");
    text += fmt::format("{:>9}\n", curves[0].groups[g].num_users);
  }
  return text + "\n";
}

// Shares by place, a place a row.
std::string bias_text(const PositionBias& bias) {
  std::string text = fmt::format(
      "{} by the place of the truth, candidates in random order (distance of first\n"
      "choices {:.4f})\n{:<14}{:>12}{:>12}\n",
      bias.system, bias.choice_distance, "place", "Recall@1", "chosen");
  for (size_t place = 1; place <= bias.rows.size(); ++place)
    text += fmt::format("{:<14}{:>12.3f}{:>12.3f}\n", place, bias.rows[place - 1].recall1,
                        bias.rows[place - 1].first_choices);
  return text + "\n";
}

std::string generation_text(const GenerationQuality& quality) {
  std::string text = fmt::format("Lists written by {} for {}\n", quality.system,
                                 counted(quality.num_users, "user"));
  const auto line = [&](const char* name, double value) {
    text += fmt::format("{:<26}{:.4f}\n", name, value);
  };
  line("format compliance", quality.compliant);
  line(fmt::format("titles a user, of {}", quality.list_size).c_str(), quality.titles_a_user);
  line("hallucinated", quality.hallucinated);
  line("among the candidates", quality.in_pool);
  line("repeated", quality.repeated);
  line("Recall@10", quality.recall10);
  line("NDCG@10", quality.ndcg10);
  return text + "\n";
}

}  // namespace

Json beyond_json(const BeyondUtility& beyond) {
  Json json = {{"format", kFormat},
               {"protocol", protocol_json(beyond.protocol)},
               {"users", beyond.num_users}};
  const auto put = [&](const char* key, const auto& list, const auto& make) {
    if (!list.empty()) json[key] = list_of(list, make);
  };
  put("lists", beyond.lists, profile_json);
  put("history_length", beyond.by_length, curve_json);
  put("shortened_history", beyond.shortened, curve_json);
  put("position_bias", beyond.positions, bias_json);
  put("examples", beyond.examples, example_json);
  if (beyond.generation) json["generation"] = generation_json(*beyond.generation);
  return json;
}

BeyondUtility read_beyond(const fs::path& file) {
  const std::string where = file.string();
  const Json json = read_json(file);
  const auto format = json_get<std::string>(json, "format", where);
  if (format != kFormat)
    throw FormatError("{}: format is '{}', expected '{}'", where, format, kFormat);
  const auto list = [&](const char* key, const auto& read) {
    return read_list(json, key, where, [&](const Json& entry) { return read(entry, where); });
  };
  BeyondUtility beyond{.protocol = read_protocol(json_get<Json>(json, "protocol", where), where),
                       .num_users = json_get<int64_t>(json, "users", where),
                       .by_length = list("history_length", read_curve),
                       .shortened = list("shortened_history", read_curve),
                       .positions = list("position_bias", read_bias),
                       .lists = list("lists", read_profile),
                       .examples = list("examples", read_example)};
  if (json.contains("generation"))
    beyond.generation = read_generation(json_get<Json>(json, "generation", where), where);
  return beyond;
}

std::string beyond_text(const BeyondUtility& beyond) {
  std::string text;
  if (!beyond.lists.empty()) {
    text += fmt::format("{:<14}", "lists");
    for (const ListProfile& profile : beyond.lists) text += fmt::format("{:>12}", profile.system);
    text += "\n";
    for (const ListMetric& row : beyond.lists[0].metrics) {
      text += fmt::format("{:<14}", row.name);
      for (const ListProfile& profile : beyond.lists) {
        const auto found = std::ranges::find(profile.metrics, row.name, &ListMetric::name);
        text += found == profile.metrics.end() ? fmt::format("{:>12}", "")
                                               : fmt::format("{:>12.4f}", found->value);
      }
      text += "\n";
    }
    text += "\n";
  }
  text += curves_text(beyond.by_length, "users by the length of their history");
  text += curves_text(beyond.shortened,
                      users_text(beyond.protocol.users) + ", histories cut to the newest items");
  for (const PositionBias& bias : beyond.positions) text += bias_text(bias);
  if (beyond.generation) text += generation_text(*beyond.generation);
  return text;
}

}  // namespace tandem
