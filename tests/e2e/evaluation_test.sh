#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `tandem eval` on a world small enough for hand: every number of metrics.json, samples, what is printed when writing
# fails, and options that would have no effect. Usage: evaluation_test.sh TANDEM
set -eu
tandem=$1
. "$(dirname "$0")/tiny_dataset.sh"
cd "$work"

# Training holds a four times, b three times, c once; d and e never. u3 has a again at the end.
cat > world.csv <<'CSV'
user,item,timestamp
u1,a,1
u1,b,2
u1,c,3
u1,d,4
u2,a,1
u2,b,2
u2,d,3
u2,c,4
u3,b,1
u3,a,2
u3,e,3
u3,a,4
u4,c,1
u4,a,2
u4,b,3
u4,e,4
CSV
"$tandem" --quiet data import --format csv --input world.csv --min-user 0 --min-item 0 \
  --output world > /dev/null
popularity=("$tandem" --quiet eval --dataset world --retriever popularity --resamples 20)

# has FOLDER TEXT...: metrics.json, without blanks, holds each text.
has() {
  local folder=$1 flat
  shift
  flat=$(tr -d ' \n' < "$folder/metrics.json")
  for text in "$@"; do
    [[ $flat == *"$text"* ]] || fail "$folder/metrics.json has no $text: $flat"
  done
}
metric() { echo "{\"name\":\"$1\",\"value\":$2"; }

"${popularity[@]}" --exclude none --ks 5,1,3 --output none > none.txt
printf 'user\ttarget\trank\ttied\texcluded\nu1\td\t4\t1\t0\nu2\tc\t3\t0\t0\nu3\ta\t1\t0\t0\nu4\te\t4\t1\t0\n' > ranks.tsv
cmp ranks.tsv none/ranks.tsv || fail "$(cat none/ranks.tsv)"
has none '"format":"tandem-evaluation-2","system":"popularity"' '"split":"test","candidate_set":"full","users":"all"' \
  '"seen_items":"none","tie_rule":"strict"' '"cutoffs":[1,3,5],"seed":42,"resamples":20,"interval_level":0.95' \
  '"num_users":4,"num_tied":2,"num_excluded":0' \
  "$(metric Recall@1 0.25)" "$(metric Recall@3 0.5)" "$(metric Recall@5 1.0)" \
  "$(metric MRR@1 0.25)" "$(metric MRR@3 0.33333333333333)" "$(metric MRR@5 0.45833333333333)" \
  "$(metric NDCG@1 0.25)" "$(metric NDCG@3 0.375)" "$(metric NDCG@5 0.590338279)"
grep -q "popularity  1.0000 \[1.0000, 1.0000\]  0.5903 \[" none.txt || fail "$(cat none.txt)"
! grep -q "excluded\|count as misses" none.txt || fail "$(cat none.txt)"

"${popularity[@]}" --exclude none --split valid --ks 2,4 --output valid > /dev/null
printf 'user\ttarget\trank\ttied\texcluded\nu1\tc\t3\t0\t0\nu2\td\t4\t1\t0\nu3\te\t4\t1\t0\nu4\tb\t2\t0\t0\n' > ranks.tsv
cmp ranks.tsv valid/ranks.tsv || fail "$(cat valid/ranks.tsv)"
has valid "$(metric Recall@2 0.25)" "$(metric Recall@4 1.0)" "$(metric MRR@4 0.33333333333333)" \
  "$(metric NDCG@2 0.15773243)" "$(metric NDCG@4 0.4980707)"

# What the users had cannot be hit, though only one or two items are left to offer.
"${popularity[@]}" --output window > window.txt
printf 'user\ttarget\trank\ttied\texcluded\nu1\td\t1\t1\t0\nu2\tc\t1\t0\t0\nu3\ta\t0\t0\t1\nu4\te\t1\t1\t0\n' > ranks.tsv
cmp ranks.tsv window/ranks.tsv || fail "$(cat window/ranks.tsv)"
has window '"seen_items":"window"' '"num_users":4,"num_tied":2,"num_excluded":1' \
  "$(metric Recall@1 0.75)" "$(metric Recall@50 0.75)" "$(metric MRR@20 0.75)" "$(metric NDCG@10 0.75)"
tr '\n' ' ' < window.txt | grep -q "1 of 4 held-out items had been in the user's input window" || fail "$(cat window.txt)"
grep -q "exclude none" window.txt || fail "$(cat window.txt)"
[ "$(wc -L < window.txt)" -le 80 ] || fail "a line is longer than 80 columns: $(cat window.txt)"
"${popularity[@]}" --json > window.json
[ "$(grep -cE '"(tied_targets": 2|excluded_targets": 1)' window.json)" = 2 ] || fail "$(head -20 window.json)"

# Two evaluations of one sample may be compared, of two samples not.
"${popularity[@]}" --users 2 --output two > /dev/null
"${popularity[@]}" --users 2 --exclude none --seed 42 --output other > /dev/null
has two '"users":"2drawnwithseed42"' '"num_users":2'
[ "$(cut -f1 two/ranks.tsv)" = "$(cut -f1 other/ranks.tsv)" ] || fail "one seed drew two samples"
code=0
"$tandem" compare two window > /dev/null 2> error.txt || code=$?
[ $code = 3 ] && grep -q "2 drawn with seed 42" error.txt || fail "a sample against all: $code, $(cat error.txt)"
"${popularity[@]}" --users 9 --output nine > /dev/null
cmp window/metrics.json nine/metrics.json || fail "a sample of all users is another protocol"

# The result is printed, then the reason for which it was not kept.
touch file
code=0
"${popularity[@]}" --output file/out > full.txt 2> error.txt || code=$?
[ $code = 1 ] && [ -s error.txt ] && grep -q "popularity  0.7500" full.txt || fail "no folder can be made: code $code, $(cat error.txt)"

# refused OPTION TEXT ARGUMENT...: exit code 2 before the work, naming the option and what it needs.
refused() {
  local option=$1 text=$2
  shift 2
  code=0
  "$tandem" --quiet eval --dataset world "$@" > out.txt 2> error.txt || code=$?
  [ $code = 2 ] && grep -q -- "$option.*$text" error.txt || fail "eval $*: code $code, $(cat error.txt)"
}
refused --baseline "not popularity itself" --retriever popularity --baseline popularity
refused --overwrite "needs --output" --retriever popularity --overwrite
refused --resume "needs --output and a second stage" --retriever popularity --resume
refused --details "json" --retriever popularity --details --json
refused --fuse "needs a second stage" --retriever popularity --fuse
refused --base "needs a --ranker run" --retriever popularity --base world
refused --precision "needs a second stage" --retriever popularity --precision bfloat16
refused --set "needs --likelihood" --retriever popularity --set prompt.text=x
refused --permutations "needs --ranker" --retriever popularity --permutations 2
refused --position-bias "needs --ranker" --retriever popularity --position-bias
refused --examples "needs a second stage" --retriever popularity --examples 3
refused --generate "needs --ranker or --likelihood" --retriever popularity --generate
refused --generate-users "needs --generate" --retriever popularity --generate-users 3
refused --list-size "popularity has one for all" --retriever popularity --list-size 5
refused --history-lengths "popularity does not look at histories" --retriever popularity --history-lengths 1
refused "which seen items" "" --retriever popularity --exclude some
refused --retriever "needs a run or a candidate file" --retriever popularity --likelihood world
cat none.txt window.txt
