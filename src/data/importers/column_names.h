// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// What a column may hold. kItemTitle is the title in a file of items, where more names are sure.
enum class Role { kUser, kItem, kTime, kRating, kTitle, kItemId, kItemTitle };

std::string_view role_name(Role role);

// The name in lower case without '_', '-', '.' and blanks: "Unix-Review Time" is unixreviewtime.
std::string folded_name(std::string_view name);

// The names under which a role is usually found, first choice first: exact ones for messages.
const std::vector<std::string_view>& usual_names(Role role);

// The column that holds the role by its name: the first exact usual name that is there, else the
// first folded one. sure says that the name was exact.
struct NamedColumn {
  size_t at;
  bool sure;
};
std::optional<NamedColumn> find_usual(const std::vector<std::string>& names, Role role);
// Whether the name is usual for any role.
bool is_usual_name(std::string_view name);

// A column of earlier items ("item_id_list" beside "item_id", "history" beside "parent_asin",
// MiniOneRec's "history_item_id"), given the item's column.
std::optional<size_t> find_history(const std::vector<std::string>& names, size_t item);

}  // namespace tandem
