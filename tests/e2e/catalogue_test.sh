#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A shop imports again, with a new item and without an old one: a trained run recommends as before, by outside id, says
# what it skipped, and refuses another shop's catalogue. Usage: catalogue_test.sh TANDEM
set -eu
tandem=$1
command -v python3 > /dev/null || { echo "SKIP: no python3"; exit 77; }
. "$(dirname "$0")/tiny_dataset.sh"
cd "$work"
make_dataset "$tandem" data
"$tandem" --quiet train retriever --dataset data --threads 1 --set train.max_steps=30 --set train.batch=8 \
  --set model.width=16 --set model.max_length=10 --output run
[ -s run/items.bin ] || fail "the run keeps no item ids"

# import NAME SED: the rows changed by the sed script, as a data set. Filters off: what is missing is missing.
import() {
  sed "$2" data.csv > "$1.csv"
  "$tandem" --quiet data import --format csv --input "$1.csv" --output "$1" --min-user 0 --min-item 0
}
recommend() { "$tandem" --quiet recommend --run run --dataset "$1" --history "$2" --json -k "$3" 2> "$1.log"; }
recommended() { python3 -c '
import json, sys
for r in json.load(sys.stdin)["recommendations"]: print(r["item_id"], r["score"])'; }

# i7 becomes "a", which comes before all others, so that every number is another.
import later 's/,i7,/,a,/'
recommend data "i1; i2; i3" 60 | recommended | grep -v '^i7 ' > before.txt
recommend later "i1; i2; i3" 60 | recommended > after.txt
[ "$(wc -l < after.txt)" -gt 50 ] || fail "few recommendations: $(cat after.txt)"
cmp before.txt after.txt || fail "another import gets other recommendations"
recommend later "i1; a; i2; i3; a" 60 | recommended | cmp - before.txt || fail "an unknown item in the history is not skipped"
grep -q "items unknown to it: 1 of 60, .* interactions, skipped" later.log || fail "nothing said: $(cat later.log)"
[ "$(grep -c unknown later.log)" = 1 ] || fail "said more than once: $(cat later.log)"

# eval counts the held-out items that the model cannot know.
unknown=$(awk -F, 'NR > 1 { if ($1 != user) { if (n > 2) lost += item == "a"; n = 0 } user = $1; item = $2; ++n }
  END { if (n > 2) lost += item == "a"; print lost }' later.csv)
[ "$unknown" -gt 0 ] || fail "the test has no such item"
"$tandem" --quiet eval --retriever run --dataset later --resamples 50 --output eval --json > eval.json 2> eval.log
awk -F'\t' -v wanted="$unknown" 'NR > 1 && $2 == "a" { ++n; bad += $3 != 0 } END { exit !(n == wanted && !bad) }' \
  eval/ranks.tsv || fail "unknown held-out items are not misses: $(grep -P '\ta\t' eval/ranks.tsv)"
grep -q '"unknown_items": 1' eval.json || fail "eval --json does not say it: $(cat eval.json)"

# Candidates are made for the new numbers, and are not those of the old data set.
"$tandem" --quiet retrieve --run run --dataset later --output later.safetensors > /dev/null 2>&1
"$tandem" --quiet eval --retriever run --dataset data --resamples 50 > /dev/null

refused() {
  local code=0
  "$tandem" --quiet "${@:2}" > /dev/null 2> refused.log || code=$?
  [ $code = 3 ] || fail "$*: exit code $code, expected 3: $(cat refused.log)"
  grep -q "$1" refused.log || fail "$*: $(cat refused.log)"
}
# Another catalogue of the same size.
import other '2,$s/,i/,x/'
for verb in "eval --retriever run" "retrieve --run run --output refused.safetensors" "recommend --user u5 --run run"; do
  refused "knows 0 of the 60 items of other" $verb --dataset other
done
[ ! -e refused.safetensors ] || fail "a refused run left candidates"
# An old run, which keeps no ids.
cp -r run old
rm old/items.bin
refused "the fingerprints differ" eval --retriever old --dataset later
"$tandem" --quiet eval --retriever old --dataset data --resamples 50 > /dev/null || fail "an old run on its own data"
# A broken file of ids.
head -c 100 run/items.bin > old/items.bin
refused "old/items.bin: 100 bytes" eval --retriever old --dataset later
cat later.log
