#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is wrong with an input file is said in one line that names the file and the line, with exit code 3, and nothing
# is left behind. Usage: broken_input_test.sh TANDEM
set -eu
tandem=$1
here=$(dirname "$0")
. "$here/tiny_dataset.sh"

# rejects WHAT PATTERN OUTPUT VERB...: the verb fails as above, and the message matches the pattern.
rejects() {
  local what=$1 pattern=$2 output=$3 code=0
  shift 3
  "$tandem" --quiet "$@" > "$work/stdout" 2> "$work/message" || code=$?
  [ $code = 3 ] || fail "$what: exit code $code, expected 3; $(cat "$work/message")"
  [ "$(wc -l < "$work/message")" = 1 ] || fail "$what: not one line: $(cat "$work/message")"
  grep -qE "$pattern" "$work/message" || fail "$what: '$(cat "$work/message")' does not match '$pattern'"
  [ ! -s "$work/stdout" ] || fail "$what: something on standard output"
  # Neither the output nor a part of it under another name.
  ! ls -d "$output"* "$(dirname "$output")"/.*"$(basename "$output")"* 2> /dev/null | grep . ||
    fail "$what: the above was left behind"
  sed "s|$work/||; s|^tandem: |$what: |" "$work/message"
}
import() { rejects "$1" "$2" "$work/out" data import --output "$work/out" --format "${@:3}"; }

# 2,000 good interactions in each form; each test breaks one thing.
rows() { awk -v s="$1" 'BEGIN { for (i = 0; i < 2000; ++i) print "u" int(i / 10) s "i" i % 37 s 1000 + i }'; }
csv() { echo "user,item,timestamp"; rows ,; }

csv | sed '1234s/.*/u123,i9/' > "$work/line.csv"
import "broken line" 'line\.csv:1234: found 2 columns, expected 3' csv --input "$work/line.csv"
csv | sed '1234s/,[0-9]*$/,yesterday/' > "$work/time.csv"
import "broken time" "time\.csv:1234: .*yesterday.*expected" csv --input "$work/time.csv"
csv | sed '1500s/.*/"u1,i2,3/' > "$work/quote.csv"
import "open quote" 'quote\.csv:1500: ' csv --input "$work/quote.csv"
csv | tr , ';' > "$work/separator.csv"
import "wrong separator" 'separator\.csv:1: .*expected' csv --input "$work/separator.csv" --separator ,
csv | sed '1s/item/thing/' > "$work/column.csv"
import "missing column" 'column\.csv:1: .*expected.*item' csv --input "$work/column.csv"
{ echo "user,item,timestamp,title"; rows , | sed 's/$/,Café/'; } | iconv -f UTF-8 -t ISO-8859-1 > "$work/encoding.csv"
import "wrong encoding" 'encoding\.csv:2: .*UTF-8' csv --input "$work/encoding.csv"
csv | iconv -f UTF-8 -t UTF-16 > "$work/utf16.csv"
import "UTF-16" 'utf16\.csv:1: .*expected' csv --input "$work/utf16.csv"
csv | gzip > "$work/whole.csv.gz"
head -c 3000 "$work/whole.csv.gz" > "$work/cut.csv.gz"
import "truncated gz" 'cut\.csv\.gz:[0-9]+: .*expected a complete gzip file' csv --input "$work/cut.csv.gz"
{ head -c 3000 "$work/whole.csv.gz"; printf 'garbage'; tail -c +3008 "$work/whole.csv.gz"; } > "$work/flipped.csv.gz"
import "damaged gz" 'flipped\.csv\.gz:[0-9]+: ' csv --input "$work/flipped.csv.gz"
: > "$work/empty.csv"
import "empty file" 'empty\.csv' csv --input "$work/empty.csv"

mkdir "$work/ml"
rows '::' | sed 's/u//; s/::i/::/; s/::\([0-9]*\)$/::4::\1/' > "$work/ml/ratings.dat"
sed -i '77s/::/:/' "$work/ml/ratings.dat"
import "MovieLens line" 'ratings\.dat:77: ' movielens --input "$work/ml"
awk 'BEGIN { for (i = 1; i <= 1000; ++i) printf "u%d\t%s\n", i, "i1 i2 i3 i4 i5 i6" }' | sed '900s/.*/u900/' > "$work/sequences.tsv"
import "sequence line" 'sequences\.tsv:900: ' sequences --input "$work/sequences.tsv"
awk 'BEGIN { for (i = 0; i < 2000; ++i) print "{\"reviewerID\": \"u" int(i / 10) "\", \"asin\": \"i" i % 37 "\", \"overall\": 5.0, \"unixReviewTime\": " 1000 + i "}" }' \
  > "$work/reviews.json"
sed '1000s/"asin"/"as/' "$work/reviews.json" > "$work/broken.json"
import "broken JSON" 'broken\.json:1000: ' amazon --input "$work/broken.json"

csv | head -n 1 > "$work/header.csv"
import "header alone" 'header\.csv: found no interaction' csv --input "$work/header.csv"
sed '1000s/"unixReviewTime"/"when"/' "$work/reviews.json" > "$work/timeless.json"
import "missing time" 'timeless\.json:1000: found no time under "unixReviewTime"' amazon --input "$work/timeless.json"
csv | sed '1s/$/,timestamp/; 2,$s/$/,1/' > "$work/twice.csv"
import "column twice" "twice\.csv:1: found the column 'timestamp' more than once" csv --input "$work/twice.csv"
mkdir "$work/several"
csv | tee "$work/several/may.csv" > "$work/several/june.csv"
import "several logs" 'several: found several logs: june\.csv, may\.csv' auto --input "$work/several"
csv | sed '1000s/[0-9]*$/2018-07-07/' > "$work/mixed.csv"
import "dates among numbers" 'mixed\.csv: found 1 of 2000 times written as dates' csv --input "$work/mixed.csv"

# The good file does import, so that the refusals above are not of all files, and nothing is to be warned of.
csv > "$work/good.csv"
"$tandem" --quiet data import --format csv --input "$work/good.csv" --output "$work/data" > /dev/null 2> "$work/message"
[ ! -s "$work/message" ] || fail "a good file: $(cat "$work/message")"

# What is read, but perhaps not as meant, is said on standard error.
# warns WHAT PATTERN FORMAT OPTION...
warns() {
  "$tandem" --quiet data import --output "$work/warned" --overwrite --format "${@:3}" > /dev/null 2> "$work/message"
  grep -qE "$2" "$work/message" || fail "$1: '$(cat "$work/message")' does not match '$2'"
}
csv | sed '2,$s/[0-9]*$/160000000&/' > "$work/ms.csv"
warns "milliseconds" 'ms\.csv: times are so large that they are read as milliseconds: 2020-09-13' csv --input "$work/ms.csv"
csv | sed '1s/timestamp/when/' > "$work/when.csv"
warns "no time" 'when\.csv: no time is recognised among user, item, when' csv --input "$work/when.csv"

# A command line that asks for what the format does not have.
code=0
"$tandem" data import --format movielens --columns time=3 --input "$work/ml" --output "$work/out" 2> "$work/message" || code=$?
[ $code = 2 ] && grep -q -- '--columns: not for --format movielens' "$work/message" || fail "columns: $code, $(cat "$work/message")"

# Safetensors: a retriever's weights, cut and with a header that lies.
rejects "cut safetensors" 'cut\.safetensors: ' "$work/candidates" retrieve --run "$(
  head -c 200 "$here/../fuzz/corpus/candidates/small" > "$work/cut.safetensors"; echo "$work/cut.safetensors")" \
  --dataset "$work/data" --output "$work/candidates"
sed 's/"data_offsets": \[0, 24\]/"data_offsets": [0, 99]/' "$here/../fuzz/corpus/candidates/small" > "$work/lie.safetensors"
rejects "corrupt safetensors" "lie\.safetensors: .*'items'" "$work/evaluation" eval --retriever "$work/lie.safetensors" \
  --dataset "$work/data" --output "$work/evaluation"

# A data set folder whose bytes changed.
printf 'x' | dd of="$work/data/interactions.bin" bs=1 seek=100 conv=notrunc 2> /dev/null
rejects "changed data set" "data: the content's SHA-256 is" "$work/no-output" data describe "$work/data"
