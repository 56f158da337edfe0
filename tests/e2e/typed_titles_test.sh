#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Titles on the command line: repeated, as a JSON array, or with ; between them, also where titles hold a ; or
# brackets. Usage: typed_titles_test.sh TANDEM
set -eu
tandem=$1
. "$(dirname "$0")/tiny_dataset.sh"
cd "$work"
cat > log.csv <<'CSV'
user_id,item_id,timestamp,title
u1,a,1,Rock &amp; Roll
u1,b,2,Jazz
u1,c,3,Steins;Gate
u1,d,4,[REC]
u1,e,5,"Rock; Jazz"
u1,f,6,Rock
u2,b,1,
u2,f,2,
u2,c,3,
u2,a,4,
CSV
"$tandem" --quiet data import --format csv --input log.csv --output data --min-user 0 --min-item 0
"$tandem" --quiet train retriever --dataset data --threads 1 --set train.max_steps=2 --set model.width=8 \
  --set model.max_length=4 --output run

recommend() { "$tandem" recommend --run run --dataset data -k 1 --json "$@"; }
# reads IDS OPTIONS...: the history is these items.
reads() {
  local want=$1
  shift
  recommend "$@" > out.json 2> message
  sed -n '/"recent_history"/,/\]/p' out.json | grep -o '"item_id": "[a-f]"' | cut -d'"' -f4 | tr -d '\n' > found
  [ "$(cat found)" = "$want" ] || fail "$*: read as '$(cat found)', expected '$want'"
}
reads a --history 'Rock &amp; Roll'
reads ab --history 'Rock &amp; Roll; Jazz'
reads ba --history 'jazz;rock &AMP; roll;'
reads cb --history 'Steins;Gate;Jazz'
reads cd --history c --history '[REC]'
reads d --history '[rec]'
reads ec --history 'Rock; Jazz' --history 'Steins;Gate'
reads eca --history '["Rock; Jazz", "Steins;Gate", "a"]'
reads fa --history 'f; a'
grep -q 'read as 2 titles' message || fail "the cut is not told: $(cat message)"

refused 2 'more than one way' recommend --history 'Rock; Jazz'
refused 3 "'Rock &amp'.*did you mean 'Rock &amp; Roll'" recommend --history 'Rock &amp; Rol'
refused 3 "'Steins'.*--history once for each title" recommend --history 'Jazz; Steins; b'
refused 3 "'Jazz; Rock'.*one title each time" recommend --history 'Jazz; Rock' --history Jazz
refused 2 'not a JSON array' recommend --history '["Jazz", ]'
refused 2 'the array holds 3' recommend --history '["Jazz", 3]'
refused 2 'names no item' recommend --history ';'
refused 2 'once without a title' recommend --history Jazz --history ''
recommend --history '' | grep -q '"source": "popularity"' || fail "a visitor gets no popular items"

# Free titles, to a ranker.
"$tandem" --quiet tokenizer train --input data --vocab-size 300 --output words > tokenizer.txt
"$tandem" --quiet model init --preset tiny --tokenizer words --hidden-size 32 --layers 1 --heads 2 --output base
rerank() { "$tandem" rerank --base base --json "$@"; }
titles() { sed -n "/\"$1\"/,/\\]/p" | grep -o '"[^"]*"[,]*$' | tr -d '\n'; }
rerank --history 'Heat; Alien' --candidates 'A; B; C' > out.json 2> message
[ "$(titles history < out.json)" = '"Heat","Alien"' ] || fail "history: $(titles history < out.json)"
grep -q -- '--history: read as 2 titles' message && grep -q -- '--candidates: read as 3' message || fail "not told: $(cat message)"
rerank --history 'Steins;Gate' --history Heat --candidates '["A; B", "[C]"]' > out.json
[ "$(titles history < out.json)" = '"Steins;Gate","Heat"' ] || fail "history: $(titles history < out.json)"
grep -q '"title": "A; B"' out.json && grep -q '"title": "\[C\]"' out.json || fail "candidates: $(cat out.json)"
refused 2 'may be part of a title' rerank --history 'Rock &amp; Roll' --candidates 'A; B'
refused 2 ' 60 ' rerank --history Jazz --candidates "$(seq -s '; ' 1 60)"
