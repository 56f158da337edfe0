// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// The text as it stands in HTML, outside of tags and inside of quoted attributes.
std::string html_escape(std::string_view text);

// A whole page that loads nothing from anywhere, for wide and narrow windows (400 px), light and
// dark schemes, and paper. title is text, body HTML, and so is what else belongs into the head.
std::string html_page(std::string_view title, std::string_view body, std::string_view head = "");

// The part of the page's style that pictures need, for an SVG file of its own.
std::string picture_style();

// Rows of cells that are HTML already; the first row is the head. A table that is wider than the
// window scrolls by itself.
std::string html_table(const std::vector<std::vector<std::string>>& rows);

// One colour per system on a whole page: the first name asked for gets colour 0, the next one 1.
// Colours are classes c0, c1, ... of the page's style; a ninth system has the first one's again.
class SystemColours {
 public:
  size_t of(const std::string& system);
  // The name with a mark of its colour before it, as HTML.
  std::string label(const std::string& system);

 private:
  std::vector<std::string> systems_;
};

// Class of a colour in SVG and HTML.
inline constexpr size_t kNeutralColour = static_cast<size_t>(-1);  // of what is no system
std::string colour_class(size_t colour);

}  // namespace tandem
