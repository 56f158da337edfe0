# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests. $work is a folder that goes when the test ends.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# `make_dataset TANDEM FOLDER` imports 120 generated users of 3 to 42 events over 60 items.
make_dataset() {
  awk 'BEGIN {
    print "user,item,timestamp"
    for (u = 1; u <= 120; ++u) {
      x = u * 7919 % 61
      for (t = 0; t < 3 + u * 37 % 40; ++t) { x = (x * 5 + u % 3 + t) % 60; print "u" u ",i" x "," 1000 + t }
    }
  }' > "$2.csv"
  "$1" --quiet data import --format csv --input "$2.csv" --output "$2"
}

# The same with titles.
make_titled_dataset() {
  make_dataset "$1" "$2-ids"
  awk -F, -v OFS=, 'NR == 1 { print $0, "title" } NR > 1 { print $0, "part " substr($2, 2) " of a long story" }' "$2-ids.csv" > "$2.csv"
  "$1" --quiet data import --format csv --input "$2.csv" --output "$2"
}

# Values of KEY in metrics.jsonl lines that have it.
values_of() {
  grep -o "\"$1\":[^,}]*" "$2/metrics.jsonl" | cut -d: -f2
}

fail() {
  echo "FAIL: $*" >&2
  exit 1
}

# refused CODE PATTERN COMMAND...: it ends with this code and says this.
refused() {
  local want=$1 pattern=$2 code=0
  shift 2
  "$@" 2> "$work/message" || code=$?
  [ $code = "$want" ] && grep -q "$pattern" "$work/message" || fail "$*: exit code $code, $(cat "$work/message")"
}
