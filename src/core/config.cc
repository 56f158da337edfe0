// SPDX-License-Identifier: Apache-2.0
#include "core/config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "core/check.h"
#include "core/error.h"
#include "core/spelling.h"

namespace tandem {
namespace {

// The text's value as T, all of it; false when it is not one.
template <typename T>
bool parse_number(const std::string& text, T& value) {
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  T parsed{};
  const auto [rest, error] = std::from_chars(begin, end, parsed);
  if (error != std::errc() || rest != end || begin == end) return false;
  value = parsed;
  return true;
}

bool parse_value(const std::string& text, std::string& value) {
  try {
    nlohmann::json(text).dump();  // throws on what is not UTF-8, which YAML could not give back
  } catch (const nlohmann::json::exception&) {
    return false;
  }
  value = text;
  return true;
}
bool parse_value(const std::string& text, int64_t& value) { return parse_number(text, value); }
bool parse_value(const std::string& text, double& value) {
  double parsed = 0;
  if (!parse_number(text, parsed) || !std::isfinite(parsed)) return false;
  value = parsed;
  return true;
}
bool parse_value(const std::string& text, bool& value) {
  if (text != "true" && text != "false") return false;
  value = text == "true";
  return true;
}

struct Expected {
  std::string_view operator()(const std::string*) const { return "a text in UTF-8"; }
  std::string_view operator()(const int64_t*) const { return "a whole number"; }
  std::string_view operator()(const double*) const { return "a number"; }
  std::string_view operator()(const bool*) const { return "true or false"; }
  std::string_view operator()(const ConfigSchema::Choice&) const { return "one of the choices"; }
};

// A value as YAML: numbers in the shortest form that reads back equal, texts always quoted, so that
// "on", "1e3" and "" stay texts.
struct ToYaml {
  const std::vector<std::string>& choices;

  std::string operator()(const std::string* value) const {
    YAML::Emitter out;
    out << YAML::DoubleQuoted << *value;
    return out.c_str();
  }
  std::string operator()(const ConfigSchema::Choice& choice) const {
    return (*this)(&choices.at(choice.get()));
  }
  std::string operator()(const int64_t* value) const { return std::to_string(*value); }
  std::string operator()(const double* value) const { return fmt::format("{}", *value); }
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
};

std::string to_yaml(const ConfigSchema::Key& key) {
  return std::visit(ToYaml{key.choices}, key.field);
}

// A text as it is, for people; else as YAML.
std::string shown(const ConfigSchema::Key& key) {
  if (const auto* text = std::get_if<std::string*>(&key.field)) return **text;
  const auto* choice = std::get_if<ConfigSchema::Choice>(&key.field);
  return choice ? key.choices.at(choice->get()) : to_yaml(key);
}

std::string place(const std::string& file, const YAML::Mark& mark) {
  return mark.is_null() ? file : fmt::format("{}:{}", file, mark.line + 1);
}

constexpr int kMaxDepth = 16;

// Calls assign(key, value, where) for every leaf of nested maps, keys joined by dots.
template <typename Assign>
void walk(const YAML::Node& node, const std::string& prefix, const std::string& file, int depth,
          const Assign& assign) {
  if (depth > kMaxDepth)
    throw ConfigError("{}: nested deeper than {} maps", place(file, node.Mark()), kMaxDepth);
  for (const auto& entry : node) {
    const std::string where = place(file, entry.first.Mark());
    if (!entry.first.IsScalar()) throw ConfigError("{}: a key is not a plain word", where);
    const std::string key = prefix + entry.first.Scalar();
    if (entry.second.IsMap()) {
      walk(entry.second, key + ".", file, depth + 1, assign);
    } else if (entry.second.IsScalar()) {
      assign(key, entry.second.Scalar(), where);
    } else {
      throw ConfigError("{}: {} is {}, expected one value", where, key,
                        entry.second.IsNull() ? "empty" : "a list");
    }
  }
}

}  // namespace

std::string describe_changes(const std::vector<ChangedValue>& changes) {
  std::string text;
  for (const ChangedValue& change : changes)
    text += fmt::format("{}{} ({} -> {})", text.empty() ? "" : ", ", change.key, change.from,
                        change.to);
  return text;
}

void ConfigSchema::Key::may_change(std::function<std::string()> why_not) {
  kept_because = std::move(why_not);
}

ConfigSchema::Key& ConfigSchema::add(std::string key, Field field, std::string help,
                                     std::vector<std::string> choices) {
  for (const Key& known : keys_) TANDEM_CHECK(known.name != key, "key {} twice", key);
  keys_.push_back({std::move(key), std::move(field), std::move(help), std::move(choices),
                   [] { return std::string("what is done so far depends on it"); }});
  return keys_.back();
}

void ConfigSchema::assign(std::string_view key, const std::string& value, std::string_view where) {
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const Key& known) { return known.name == key; });
  if (found == keys_.end()) {
    std::vector<std::string> names;
    for (const Key& known : keys_) names.push_back(known.name);
    throw ConfigError("{}: unknown key '{}'{}", where, key, did_you_mean(key, names));
  }
  const auto choice = std::find(found->choices.begin(), found->choices.end(), value);
  if (!found->choices.empty() && choice == found->choices.end())
    throw ConfigError("{}: {} is '{}', expected one of: {}{}", where, key, value,
                      fmt::join(found->choices, ", "), did_you_mean(value, found->choices));
  if (const auto* field = std::get_if<Choice>(&found->field))
    return field->set(static_cast<size_t>(choice - found->choices.begin()));
  const auto parse = [&](const auto& field) {
    if constexpr (std::is_pointer_v<std::decay_t<decltype(field)>>)
      return parse_value(value, *field);
    else
      return true;
  };
  if (!std::visit(parse, found->field))
    throw ConfigError("{}: {} is '{}', expected {}", where, key, value,
                      std::visit(Expected{}, found->field));
}

void ConfigSchema::load_yaml(const fs::path& path) {
  const std::string file = path.string();
  YAML::Node root;
  try {
    root = YAML::Load(read_file(path));
  } catch (const YAML::Exception& error) {
    throw ConfigError("{}: not valid YAML: {}", place(file, error.mark), error.msg);
  }
  if (root.IsNull()) return;
  if (!root.IsMap()) throw ConfigError("{}: expected a map of keys and values", file);
  std::vector<std::string> seen;
  walk(root, "", file, 1,
       [&](const std::string& key, const std::string& value, const std::string& where) {
         if (std::find(seen.begin(), seen.end(), key) != seen.end())
           throw ConfigError("{}: key '{}' occurs twice", where, key);
         seen.push_back(key);
         assign(key, value, where);
       });
}

void ConfigSchema::set(std::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0)
    throw ConfigError("--set {}: expected key=value", assignment);
  assign(assignment.substr(0, equals), std::string(assignment.substr(equals + 1)),
         fmt::format("--set {}", assignment));
}

std::string ConfigSchema::to_yaml() const {
  std::string text;
  for (const Key& key : keys_) text += fmt::format("{}: {}\n", key.name, tandem::to_yaml(key));
  return text;
}

std::vector<std::string> ConfigSchema::values() const {
  std::vector<std::string> values;
  for (const Key& key : keys_) values.push_back(tandem::to_yaml(key));
  return values;
}

std::vector<ChangedValue> ConfigSchema::changes_since(const std::vector<std::string>& before,
                                                      std::string_view run) const {
  const std::vector<std::string> now = values();
  TANDEM_CHECK(before.size() == now.size());
  std::vector<ChangedValue> changes;
  std::string refused;
  for (size_t i = 0; i < now.size(); ++i) {
    if (before[i] == now[i]) continue;
    changes.push_back({keys_[i].name, before[i], now[i]});
    const std::string why = keys_[i].kept_because();
    if (!why.empty())
      refused += fmt::format("{}{}: {}", refused.empty() ? "" : "; ",
                             describe_changes({changes.back()}), why);
  }
  if (refused.empty()) return changes;
  throw ConfigError(
      "{}: --resume cannot change {}. Leave out what differs to go on as the run began, or train "
      "anew into another --output",
      run, refused);
}

std::string ConfigSchema::help() const {
  constexpr size_t kWidest = 36;  // a longer name=value has its help on the next line
  size_t width = 0;
  std::vector<std::string> names;
  for (const Key& key : keys_) {
    std::string value;
    for (const char c : shown(key)) {
      value += c == '\n' ? std::string("\\n") : std::string(1, c);
    }
    names.push_back(fmt::format("{}={}", key.name, value));
    if (names.back().size() <= kWidest) width = std::max(width, names.back().size());
  }
  std::string text;
  for (size_t i = 0; i < keys_.size(); ++i) {
    const std::string gap = names[i].size() <= width ? std::string(width - names[i].size(), ' ')
                                                     : "\n  " + std::string(width, ' ');
    text += fmt::format("  {}{}  {}", names[i], gap, keys_[i].help);
    if (!keys_[i].choices.empty()) text += fmt::format(" ({})", fmt::join(keys_[i].choices, ", "));
    text += "\n";
  }
  return text;
}

}  // namespace tandem
