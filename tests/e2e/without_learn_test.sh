#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The program alone, without libtandem_learn.so and libtorch: data, retrieve, eval, recommend and compare work, train
# says what is missing. Usage: without_learn_test.sh TANDEM
set -eu
tandem=$1
. "$(dirname "$0")/tiny_dataset.sh"
make_dataset "$tandem" "$work/trained-on"
"$tandem" --quiet train retriever --dataset "$work/trained-on" --threads 1 --set train.max_steps=20 --set train.batch=8 \
  --set model.width=16 --set model.max_length=10 --output "$work/run"

# A copy, not a link: the program looks for the library beside its real file.
mkdir "$work/alone"
cp "$tandem" "$work/alone/tandem"
alone="$work/alone/tandem"
unset TANDEM_LIBTORCH LD_LIBRARY_PATH LD_PRELOAD
needed=$(ldd "$alone")
! grep -E 'torch|libc10|tandem_learn|not found' <<< "$needed" || fail "the program itself needs the libraries above"

make_dataset "$alone" "$work/data"
[ "$("$alone" data describe --json "$work/data" | grep fingerprint)" = \
  "$("$tandem" data describe --json "$work/trained-on" | grep fingerprint)" ] || fail "another data set"
"$alone" data export "$work/data" --format recbole --output "$work/export" > /dev/null
"$alone" --quiet retrieve --run "$work/run" --dataset "$work/data" --output "$work/candidates.safetensors" > /dev/null
"$alone" --quiet eval --dataset "$work/data" --retriever "$work/run" --output "$work/eval" --resamples 100 > /dev/null
"$alone" --quiet eval --dataset "$work/data" --retriever popularity --output "$work/eval-popularity" --resamples 100 > /dev/null
"$alone" compare "$work/eval" "$work/eval-popularity" --resamples 100 > /dev/null
"$alone" recommend --run "$work/run" --dataset "$work/data" --user u7 -k 3 > "$work/recommended"
[ "$(grep -cE '^ +[0-9]+ +-?[0-9]+\.[0-9]+ +i[0-9]+$' "$work/recommended")" = 3 ] ||
  fail "no three recommendations in: $(cat "$work/recommended")"
"$alone" doctor | grep -q 'libtorch  *not usable' || fail "doctor does not say that libtorch is missing"

code=0
"$alone" train retriever --dataset "$work/data" --output "$work/no-run" 2> "$work/message" || code=$?
[ $code = 1 ] || fail "train: exit code $code, expected 1"
grep -q 'libtandem_learn.so is not beside the program' "$work/message" || fail "train says: $(cat "$work/message")"
[ "$(wc -l < "$work/message")" = 1 ] || fail "train says more than one line: $(cat "$work/message")"
[ ! -e "$work/no-run" ] || fail "train left a run folder"

# The library is there but libtorch is not: one message too.
learn="$(dirname "$(readlink -f "$tandem")")/libtandem_learn.so"
ln -s "$learn" "$work/alone/libtandem_learn.so"
code=0
TANDEM_LIBTORCH="$work/nowhere" "$alone" train retriever --dataset "$work/data" --output "$work/no-run" \
  2> "$work/message" || code=$?
[ $code = 1 ] || fail "train without libtorch: exit code $code, expected 1"
grep -q "TANDEM_LIBTORCH is '$work/nowhere'" "$work/message" || fail "train says: $(cat "$work/message")"
echo "all verbs but train work with: $(awk '{print $1}' <<< "$needed" | tr '\n' ' ')"
