#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures import, training and inference against the machine's ceiling. Called by `./run bench` with the program's path;
# writes every result as JSON below OUT and all of them to OUT/bench.json, and prints a table.
#   bench.sh TANDEM [OUT]      TANDEM_BENCH_STEPS training steps a data set (default 40)
set -euo pipefail
tandem="$1"
out="${2:-out/bench}"
steps="${TANDEM_BENCH_STEPS:-40}"
programs="$(dirname "$tandem")/bench"
say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

rm -rf "$out" && mkdir -p "$out"
"$tandem" doctor --json > "$out/machine.json"

say "import of one million generated interactions"
"$tandem" data generate --users 50000 --items 20000 --interactions 1000000 --output "$out/generated.csv"
"$tandem" --quiet data import --format csv --input "$out/generated.csv" --output "$out/generated" --json > "$out/import.json"
rm "$out/generated.csv"

# The bundled data always; LlamaRec's sets where they are at hand.
sets=(data/movietweetings-mini)
for name in llamarec-ml-100k llamarec-beauty; do
  [ ! -d "../shared/data/$name" ] || sets+=("../shared/data/$name")
done
for path in "${sets[@]}"; do
  name="$(basename "$path")"
  say "LRURec on $name"
  "$tandem" --quiet data import --input "$path" --output "$out/data-$name" > /dev/null
  "$tandem" --quiet bench training --dataset "$out/data-$name" --steps "$steps" --json > "$out/training-$name.json"
  "$tandem" --quiet train retriever --dataset "$out/data-$name" --output "$out/run-$name" --set train.max_steps=1
  "$tandem" --quiet bench retriever --run "$out/run-$name" --dataset "$out/data-$name" --json > "$out/engine-$name.json"
done

say "tokenizer and language model"
"$tandem" tokenizer train --input "$out/data-movietweetings-mini" --vocab-size 4000 --output "$out/tokenizer" > /dev/null
cut -d, -f2- data/movietweetings-mini/movies.csv > "$out/titles.txt"
"$programs/tokenizer_bench" "$out/tokenizer" "$out/titles.txt" > "$out/tokenizer.json"
"$programs/llama_prefill_bench" | tee "$out/prefill.txt" >&2

python3 tools/bench_table.py "$out"
