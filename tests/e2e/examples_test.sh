#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# examples/*.yaml of the training verbs: each is taken as --config, and lists the verb's keys, all of them and no other.
# That their values are the defaults is in tests/unit/learn/example_files_test.cc. Usage: examples_test.sh TANDEM
set -eu
tandem=$1
examples=$PWD/examples
. "$(dirname "$0")/tiny_dataset.sh"
cd "$work"
make_titled_dataset "$tandem" data
"$tandem" --quiet model init --preset tiny --vocab-size 400 --hidden-size 32 --layers 2 --heads 2 --output base
"$tandem" --quiet tokenizer train --input data --titles-as-tokens data --vocab-size 300 --output base > /dev/null
"$tandem" --quiet train retriever --dataset data --set train.max_steps=20 --set model.width=8 --set valid.every=20 \
  --output run

# "train.lr" of a file's "train:" and "  lr: ..." below it.
keys_of_file() {
  awk '/^[a-z_]+:/ { split($1, name, ":"); section = name[1]; if ($2 != "" && $2 !~ /^#/) print section }
       /^  [a-z_]+:/ { split($1, name, ":"); print section "." name[1] }' "$1" | sort
}
keys_of_help() {
  "$tandem" "$@" --help | sed '1,/^Configuration keys/d' | grep -oE '^  [a-z_]+(\.[a-z_]+)?=' | tr -d ' =' | sort
}

# accepts FILE VERB... -- ARGUMENT...
accepts() {
  local file=$examples/$1 verb=()
  shift
  while [ "$1" != -- ]; do verb+=("$1"); shift; done
  shift
  "$tandem" "${verb[@]}" "$@" --config "$file" --dry-run --output nothing > dry_run.txt ||
    fail "${verb[*]} refuses $file"
  grep -q '^steps ' dry_run.txt || fail "${verb[*]} --dry-run says '$(cat dry_run.txt)'"
  keys_of_help "${verb[@]}" > wanted.txt
  [ "$(wc -l < wanted.txt)" -ge 20 ] || fail "found only these keys in ${verb[*]} --help: $(cat wanted.txt)"
  keys_of_file "$file" | diff wanted.txt - >&2 || fail "$file (right) has other keys than ${verb[*]} (left)"
}

accepts retriever.yaml train retriever -- --dataset data
accepts ranker.yaml train ranker -- --dataset data --base base --retriever run
accepts hllm-training.yaml train hllm -- --dataset data --base base
accepts pretrain.yaml pretrain -- --model base --dataset data
