// SPDX-License-Identifier: Apache-2.0
#include "data/importers/column_names.h"

#include <algorithm>
#include <array>

namespace tandem {
namespace {

using Names = std::vector<std::string_view>;

// Beyond the usual names, folded. Numbers come before dates, which may be coarser.
const Names& folded_names(Role role) {
  static const Names user = {"user",      "userid",    "uid",       "reviewerid", "customerid",
                             "visitorid", "sessionid", "customer",  "reviewer",   "username",
                             "authorid",  "accountid", "memberid",  "clientid",   "steamid",
                             "buyerid",   "personid",  "profileid", "listenerid", "readerid",
                             "playerid",  "usersha1",  "account",   "client",     "visitor"};
  static const Names item = {"item",      "itemid",   "iid",       "parentasin", "asin",
                             "movieid",   "bookid",   "productid", "businessid", "isbn",
                             "isbn13",    "animeid",  "trackid",   "songid",     "gameid",
                             "appid",     "artistid", "recipeid",  "newsid",     "articleid",
                             "videoid",   "sku",      "itemsku",   "stockcode",  "productcode",
                             "venueid",   "poiid",    "placeid",   "locationid", "restaurantid",
                             "hotelid",   "gmapid",   "beerid",    "wineid",     "showid",
                             "contentid", "courseid", "jobid",     "listingid",  "itemcode",
                             "product",   "movie",    "book",      "track",      "song",
                             "game",      "app",      "article",   "business"};
  static const Names time = {"timestamp",
                             "time",
                             "unixreviewtime",
                             "ts",
                             "unixtime",
                             "unixtimestamp",
                             "timestampms",
                             "timems",
                             "eventtimestamp",
                             "reviewtimestamp",
                             "ratingtimestamp",
                             "eventtime",
                             "epoch",
                             "createdat",
                             "created",
                             "createdtime",
                             "createtime",
                             "datetime",
                             "date",
                             "dateadded",
                             "addedat",
                             "reviewtime",
                             "reviewdate",
                             "ratingtime",
                             "ratingdate",
                             "ratedat",
                             "eventdate",
                             "interactiontime",
                             "purchasetime",
                             "purchasedate",
                             "purchasedat",
                             "boughtat",
                             "ordertime",
                             "orderdate",
                             "orderedat",
                             "transactiontime",
                             "transactiondate",
                             "tdat",
                             "invoicedate",
                             "visittime",
                             "visitdate",
                             "visitedat",
                             "checkintime",
                             "checkindate",
                             "localtime",
                             "utctime",
                             "playedat",
                             "listenedat",
                             "watchedat",
                             "watchdate",
                             "viewedat",
                             "clicktime",
                             "clickedat",
                             "submitted",
                             "submittedat",
                             "submissiondate",
                             "postedat",
                             "postdate",
                             "publishedat",
                             "dateupdated",
                             "updatedat"};
  static const Names rating = {"rating",      "overall",      "score",         "stars",
                               "ratings",     "ratingvalue",  "bookrating",    "movierating",
                               "reviewscore", "reviewrating", "reviewoverall", "reviewstars",
                               "userrating",  "starrating",   "ratingscore"};
  static const Names title = {"title", "itemtitle", "name", "itemname", "movietitle"};
  static const Names item_id = [] {
    Names names = item;
    names.insert(names.end(), {"id", "code"});
    return names;
  }();
  static const Names item_title = [] {
    Names names = title;
    names.insert(
        names.end(),
        {"booktitle", "producttitle",  "productname",  "appname",     "gamename",     "gametitle",
         "trackname", "tracktitle",    "songname",     "songtitle",   "artistname",   "animetitle",
         "newstitle", "videotitle",    "articletitle", "coursetitle", "businessname", "recipename",
         "prodname",  "originaltitle", "headline"});
    return names;
  }();
  static const std::array all = {&user, &item, &time, &rating, &title, &item_id, &item_title};
  return *all[static_cast<size_t>(role)];
}

// Of the log: what a role of a file of items is there.
size_t place_in_log(Role role) {
  if (role == Role::kItemId) role = Role::kItem;
  if (role == Role::kItemTitle) role = Role::kTitle;
  return static_cast<size_t>(role);
}

}  // namespace

std::string_view role_name(Role role) {
  constexpr std::array<std::string_view, 5> kNames = {"user", "item", "time", "rating", "title"};
  return kNames[place_in_log(role)];
}

std::string folded_name(std::string_view name) {
  std::string folded;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == '.' || c == ' ') continue;
    folded += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return folded;
}

const Names& usual_names(Role role) {
  static const std::array<Names, 5> names = {
      {{"user", "user_id", "userId", "userID", "uid", "reviewerID", "customer_id", "session_id"},
       {"item", "item_id", "itemId", "itemID", "iid", "parent_asin", "asin", "movieId", "movie_id",
        "book_id", "product_id"},
       {"timestamp", "time", "unixReviewTime", "ts", "unix_time"},
       {"rating", "overall", "score", "stars"},
       {"title", "item_title", "name", "item_name", "movie_title"}}};
  return names[place_in_log(role)];
}

std::optional<NamedColumn> find_usual(const std::vector<std::string>& names, Role role) {
  for (const std::string_view usual : usual_names(role)) {
    const auto found = std::find(names.begin(), names.end(), usual);
    if (found != names.end()) return NamedColumn{static_cast<size_t>(found - names.begin()), true};
  }
  std::vector<std::string> folded;
  for (const std::string& name : names) folded.push_back(folded_name(name));
  for (const std::string_view usual : folded_names(role)) {
    const auto found = std::find(folded.begin(), folded.end(), usual);
    if (found != folded.end())
      return NamedColumn{static_cast<size_t>(found - folded.begin()), false};
  }
  return std::nullopt;
}

bool is_usual_name(std::string_view name) {
  const std::string folded = folded_name(name);
  return std::ranges::any_of(
      std::array{Role::kUser, Role::kItemId, Role::kTime, Role::kRating, Role::kItemTitle},
      [&](Role role) {
        const Names& names = folded_names(role);
        return std::find(names.begin(), names.end(), folded) != names.end();
      });
}

std::optional<size_t> find_history(const std::vector<std::string>& names, size_t item) {
  const std::string own = folded_name(names[item]);
  const bool asin = own == "parentasin" || own == "asin";
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string name = folded_name(names[i]);
    if (name == own + "list" || name == "history" + own || (asin && name == "history")) return i;
  }
  return std::nullopt;
}

}  // namespace tandem
