#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on the bundled MovieTweetings data: import, train LRURec, pre-train a small Llama on the histories, tune it
# to rank what LRURec found, report, recommend. Called by `./run demo` with the program's path; writes below out/demo.
set -euo pipefail
tandem="$1"
out="${2:-out/demo}"
say() { printf '\n\033[1m==>\033[0m %s\n' "$*"; }
show() { printf '\033[2m$ tandem %s\033[0m\n' "$*"; "$tandem" "$@"; }
data="$out/dataset" retriever="$out/retriever" base="$out/base" ranker="$out/ranker"
# A history is its titles, one token each, with a blank between them; the base remembers that.
history=("history_item={title}" "separator= " "max_history=20")

mkdir -p "$out"
say "1/7  Prepare: 102,461 ratings of 3,119 films by 5,973 people (MovieTweetings, MIT licence)"
show data import --format movielens --input data/movietweetings-mini --output "$data" --overwrite
say "2/7  Train the retriever LRURec, with early stopping (half a minute on two free cores)"
show train retriever --dataset "$data" --output "$retriever" --overwrite \
  --set model.max_length=50 --set model.dropout=0.5 --set model.attn_dropout=0.5 --set train.batch=64 \
  --set valid.every=250 --set valid.patience=3
say "3/7  Pre-train a small Llama on the same histories (half a minute); every title is one token"
show tokenizer train --input "$data" --titles-as-tokens "$data" --vocab-size 400 --output "$out/tokenizer" --overwrite
show model init --preset tiny --tokenizer "$out/tokenizer" --output "$out/untrained" --overwrite
show pretrain --model "$out/untrained" --dataset "$data" --output "$base" --overwrite "${history[@]/#/--set=data.}"
say "4/7  Tune it to rank: one letter a candidate, in the retriever's order (half a minute)"
show train ranker --dataset "$data" --base "$base" --retriever "$retriever" --output "$ranker" --overwrite \
  --set model.tuning=full --set train.negatives=retriever --set train.order=retrieval --set train.only_retrieved=true \
  --set train.lr=1e-3 --set train.batch=32 --set train.max_steps=200 --set train.eos=false --set valid.every=50 \
  --set valid.users=600 --set "prompt.text={history} |{candidates} |" --set "prompt.candidate_item={letter} {title}" \
  "${history[@]/#/--set=prompt.}"
say "5/7  Evaluate on each person's last film: the retriever among all 3,119 films, then both stages"
show eval --dataset "$data" --retriever "$retriever" --baseline popularity --output "$out/eval" --overwrite
show eval --dataset "$data" --retriever "$retriever" --ranker "$ranker" --likelihood "$base" --fuse \
  --output "$out/two-stage" --overwrite
say "6/7  Draw it: $out/report.html"
show report "$out/two-stage" "$retriever" "$base" "$ranker" --dataset "$data" --title "Tandem demo: MovieTweetings" \
  --output "$out/report.html" --overwrite
say "7/7  What would user 1000 watch next?"
show recommend --run "$retriever" --dataset "$data" --user 1000 -k 10 --ranker "$ranker" --likelihood "$base" \
  --fusion "$out/two-stage/fusion.json"

cat <<TEXT

Done. What to do next:
  look at it       $out/report.html in a browser; tensorboard --logdir $retriever
  your own data    tandem data import --format csv --columns user=USER,item=ITEM,time=TIME,title=TITLE --input FILE --output DATASET
                   tandem data import --help   lists the formats (MovieLens, Amazon, RecBole, sequences, ...)
  train            tandem train retriever --dataset DATASET --output RUN
  your own Llama   tandem train ranker --dataset DATASET --base LLAMA_FOLDER --retriever RUN --output RANKER
                   tandem eval --dataset DATASET --retriever RUN --ranker RANKER --fuse
The program is $tandem; everything the demo made is in $out.
TEXT
