#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on the bundled MovieTweetings data: import, train LRURec, evaluate against popularity, recommend.
# Called by `./run demo` with the program's path; writes everything below out/demo.
set -euo pipefail
tandem="$1"
out="${2:-out/demo}"
say() { printf '\n\033[1m==>\033[0m %s\n' "$*"; }
show() { printf '\033[2m$ tandem %s\033[0m\n' "$*"; "$tandem" "$@"; }

mkdir -p "$out"
say "1/4  Prepare: 102,461 ratings of 3,119 films by 5,973 people (MovieTweetings, MIT licence)"
show data import --format movielens --titles clean --input data/movietweetings-mini --output "$out/dataset" --overwrite
say "2/4  Train the retriever LRURec, with early stopping (two to three minutes on two cores)"
show train retriever --dataset "$out/dataset" --output "$out/retriever" --overwrite \
  --set model.max_length=50 --set model.dropout=0.5 --set model.attn_dropout=0.5 --set train.batch=64 \
  --set valid.every=250 --set valid.patience=3
say "3/4  Evaluate on each person's last film, all 3,119 films ranked"
show eval --dataset "$out/dataset" --retriever "$out/retriever" --baseline popularity --output "$out/eval" --overwrite
say "4/4  What would user 1000 watch next?"
show recommend --run "$out/retriever" --dataset "$out/dataset" --user 1000 -k 10

cat <<TEXT

Done. What to do next:
  your own data    tandem data import --format csv --columns user=USER,item=ITEM,time=TIME,title=TITLE --input FILE --output DATASET
                   tandem data import --help   lists the formats (MovieLens, Amazon, RecBole, sequences, ...)
  train            tandem train retriever --dataset DATASET --output RUN
  evaluate         tandem eval --dataset DATASET --retriever RUN --baseline popularity
  the loss curves  tensorboard --logdir $out/retriever
The program is $tandem; everything the demo made is in $out.
TEXT
