// SPDX-License-Identifier: Apache-2.0
#include "eval/report/page.h"

#include <fmt/format.h>

#include <algorithm>

namespace tandem {
namespace {

constexpr size_t kNumColours = 8;

// Light, dark and printed schemes differ in these values alone.
constexpr std::string_view kLight = R"(
  --text: #1d2228; --muted: #59626c; --line: #d7dce1; --paper: #ffffff; --block: #f4f6f8; --mark: #e7f2ea;
  --c0: #1f5fa8; --c1: #c04a17; --c2: #24803f; --c3: #7746b3; --c4: #8a6c08; --c5: #b0306f; --c6: #11787f; --c7: #5d5f63;
)";
constexpr std::string_view kDark = R"(
  --text: #e4e7ea; --muted: #a3abb4; --line: #3a4149; --paper: #15181c; --block: #1f2429; --mark: #1d3526;
  --c0: #6eaaf2; --c1: #f2905f; --c2: #66c987; --c3: #ba98ee; --c4: #dcbc4e; --c5: #f084ba; --c6: #55c6cd; --c7: #b0b4ba;
)";
constexpr std::string_view kPicture = R"(
svg { color: var(--text); } svg text { font: 12px system-ui, sans-serif; fill: var(--text);
  paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
svg .title { font-weight: 600; font-size: 13px; } svg .small { font-size: 11px; fill: var(--muted); }
.grid { stroke: var(--line); } .axis { stroke: var(--muted); fill: none; } .zero { stroke: var(--text); stroke-width: 1.5; }
.line { fill: none; stroke-width: 1.8; } .whisker { stroke-width: 2.2; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); }
.c4 { color: var(--c4); } .c5 { color: var(--c5); } .c6 { color: var(--c6); } .c7 { color: var(--c7); } .cn { color: var(--muted); }
)";
constexpr std::string_view kText = R"(
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper); max-width: 1120px; margin: 0 auto;
  padding: 1em; overflow-wrap: break-word; }
h1 { font-size: 1.5em; line-height: 1.25; } h2 { font-size: 1.2em; margin: 2em 0 .5em; border-top: 1px solid var(--line); padding-top: 1em; }
h1 + h2 { border-top: none; padding-top: 0; margin-top: 1em; } h3 { font-size: 1em; margin: 1.5em 0 .4em; }
p { max-width: 48em; } .verdict { font-size: 1.1em; margin: .3em 0; } .note, td small, th small { color: var(--muted); }
.scroll { overflow-x: auto; margin: .6em 0; } table { border-collapse: collapse; }
th, td { text-align: right; padding: .25em .8em; border-bottom: 1px solid var(--line); vertical-align: top; }
th { white-space: nowrap; } td small { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.charts { display: flex; flex-wrap: wrap; gap: 16px 12px; margin: .8em 0; } svg { max-width: 100%; height: auto; }
.key { display: inline-block; width: .65em; height: .65em; border-radius: 50%; background: currentColor; margin-right: .4em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--block); padding: .6em; font-size: 13px; margin: .5em 0; }
mark { background: var(--mark); color: inherit; } code { font-size: 90%; }
summary { cursor: pointer; } details { margin: .4em 0; } details details { margin: .4em 0 .4em 1em; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper); }
.truth td { font-weight: 600; background: var(--mark); }
.example th, .example td { text-align: left; } .bar { display: inline-block; height: .8em; background: currentColor; }
@media (max-width: 480px) { body { padding: .6em; } th, td { padding: .2em .5em; } h1 { font-size: 1.3em; } }
@media print { body { max-width: none; font-size: 11px; } .scroll { overflow: visible; }
  th, td { padding: .2em .4em; } th, td small { white-space: normal; overflow-wrap: anywhere; } svg, tr, .verdict { break-inside: avoid; }
  h2, h3 { break-after: avoid; } details > summary { list-style: none; } }
)";

std::string schemes() {
  return fmt::format(
      ":root {{ color-scheme: light dark; {} }}\n"
      "@media screen and (prefers-color-scheme: dark) {{ :root {{ {} }} }}\n",
      kLight, kDark);
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string html_page(std::string_view title, std::string_view body, std::string_view head) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n{5}\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<style>{1}{2}{3}</style></head><body>\n<h1>{0}</h1>\n{4}</body></html>\n",
      html_escape(title), schemes(), kText, kPicture, body, head);
}

std::string picture_style() { return schemes() + std::string(kPicture); }

std::string html_table(const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<div class=\"scroll\"><table>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    const char* tag = r == 0 ? "th" : "td";
    html += "<tr>";
    for (const std::string& cell : rows[r]) html += fmt::format("<{0}>{1}</{0}>", tag, cell);
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

size_t SystemColours::of(const std::string& system) {
  const auto found = std::ranges::find(systems_, system);
  const auto place = static_cast<size_t>(found - systems_.begin());
  if (found == systems_.end()) systems_.push_back(system);
  return place;
}

std::string SystemColours::label(const std::string& system) {
  return fmt::format("<span class=\"key {}\"></span>{}", colour_class(of(system)),
                     html_escape(system));
}

std::string colour_class(size_t colour) {
  return colour == kNeutralColour ? "cn" : fmt::format("c{}", colour % kNumColours);
}

}  // namespace tandem
