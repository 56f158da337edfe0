#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# STAR from the command line on the bundled MovieTweetings and a tiny random base: a run that every verb takes, the same bits on
# any number of threads, vectors of a file, another import, what is refused, an arm of a study. Usage: star_test.sh TANDEM
set -eu
tandem=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tiny_dataset.sh"
"$tandem" --quiet data import --format auto --input data/movietweetings-mini --output "$work/films" > "$work/import.txt"
cd "$work"
make_titled_dataset "$tandem" data
"$tandem" --quiet tokenizer train --input films --vocab-size 400 --output tokenizer > tokenizer.txt
"$tandem" --quiet model init --preset tiny --tokenizer tokenizer --hidden-size 32 --layers 2 --heads 2 --stddev 0.2 --output base

star=("$tandem" --quiet train star)
"${star[@]}" --dataset films --base base --text-max-tokens 16 --output run --threads 1
for file in config.json run.json items.bin item_vectors.safetensors cooccurrence.safetensors; do
  [ -s run/$file ] || fail "no $file in the run"
done
"${star[@]}" --dataset films --base base --text-max-tokens 16 --output other --threads 2
for file in config.json items.bin item_vectors.safetensors cooccurrence.safetensors; do
  cmp run/$file other/$file || fail "$file depends on the number of threads"
done

# Better than popularity, with vectors that know nothing.
"$tandem" --quiet eval --dataset films --retriever popularity --exclude history --resamples 50 --json > popular.json
"$tandem" --quiet eval --dataset films --retriever run --exclude history --resamples 50 --output eval --json > eval.json
grep -q '"star"' eval.json || fail "eval does not name the model: $(head -c 300 eval.json)"
ndcg() { grep -A3 '"NDCG@10"' "$1" | grep -o '[0-9]*\.[0-9e-]*' | head -1; }
awk -v star="$(ndcg eval.json)" -v popular="$(ndcg popular.json)" \
  'BEGIN { printf "NDCG@10: %s, popularity %s\n", star, popular; exit !(star > 1.1 * popular) }' || fail "no better than popularity"

# Vectors that are there: those of the run, with other weights, and those of a file.
"${star[@]}" --dataset films --vectors run/item_vectors.safetensors --semantic-weight 0.5 --recency 0.7 --length 3 --output again
cmp run/cooccurrence.safetensors again/cooccurrence.safetensors
"$tandem" --quiet recommend --run run --dataset films --history 'Heat (1995)' --json > run.json
"$tandem" --quiet recommend --run again --dataset films --history 'Heat (1995)' --json > again.json
cmp run.json again.json || fail "the same vectors and weights recommend other items"
"${star[@]}" --dataset films --vectors run/item_vectors.safetensors --semantic-weight 0 --recency 1 --length 9 --output again --overwrite
grep -q '"length": 9' again/config.json || fail "the length was not taken: $(cat again/config.json)"
"$tandem" --quiet retrieve --run again --dataset films --output candidates.safetensors > retrieve.txt
"$tandem" --quiet compare eval eval > compare.txt
"$tandem" --quiet bench retriever --run run --dataset films --json > bench.json
grep -q '"semantic_weight"' bench.json || fail "bench does not describe the model"

# Another import: an item is gone, one is new.
"${star[@]}" --dataset data --base base --output small
sed 's/,i7,/,a,/' data.csv > later.csv
"$tandem" --quiet data import --format csv --input later.csv --output later --min-user 0 --min-item 0
"$tandem" recommend --run small --dataset later --history "i1; a; i3" > later.txt 2> log
grep -q "items unknown to it: 1 of 60" log || fail "nothing said: $(cat log)"

refused 2 "say --base or --vectors" "${star[@]}" --dataset films --output none
touch v.npy
refused 2 "npy has no ids" "${star[@]}" --dataset films --vectors v.npy --output none
refused 1 "exists already" "${star[@]}" --dataset films --base base --output run
refused 2 "recency" "${star[@]}" --dataset films --base base --recency 1.5 --output none
refused 2 "no item of .* has a field 'plot'" "${star[@]}" --dataset films --base base --text-keys plot --output none
refused 3 "no item of data-ids has a text" "${star[@]}" --dataset data-ids --base base --output none
refused 3 "none of its [0-9]* ids is an item of data" "${star[@]}" --dataset data --vectors run/item_vectors.safetensors \
  --output none
[ ! -e none ] || fail "what is refused leaves something"

# An arm beside popularity.
cat > study.yaml << 'YAML'
title: Without training
seeds: [1, 2]
resamples: 50
datasets: {made: data}
bases: {small: base}
arms:
  popular: {retriever: popularity}
  star: {towers: small, star: {length: 2}, eval: {exclude: window}}
baseline: popular
YAML
"$tandem" study study.yaml --output study > table.txt 2> study.log || fail "$(cat study.log)"
grep -q "star - popular" table.txt || fail "no comparison: $(cat table.txt)"
[ "$(ls -d study/steps/*train-star* | wc -l)" = 1 ] || fail "two seeds built it twice"
