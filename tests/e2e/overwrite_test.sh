#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --overwrite replaces what the verb itself wrote, and nothing else: not a stranger's files, not an input, not a result of
# another kind. An interrupted verb leaves nothing behind. Usage: overwrite_test.sh TANDEM
set -eu
tandem=$1
. "$(dirname "$0")/tiny_dataset.sh"
mkdir "$work/here" && cd "$work/here"
make_dataset "$tandem" data
log=data.csv
digest() { find "$1" -type f -exec sha256sum {} + | sort | sha256sum; }

# keeps WHAT PATTERN FOLDER VERB...: the verb fails, its message matches, and the folder holds the same bytes as before.
keeps() {
  local what=$1 pattern=$2 folder=$3 before code=0
  shift 3
  before=$(digest "$folder")
  "$tandem" --quiet "$@" > ../stdout 2> ../message || code=$?
  [ $code = 1 ] || [ $code = 2 ] || fail "$what: exit code $code; $(cat ../message)"
  grep -qE "$pattern" ../message || fail "$what: '$(cat ../message)' does not match '$pattern'"
  [ "$(digest "$folder")" = "$before" ] || fail "$what: $folder has changed"
  ! ls -d ./*.part* ./*.old* 2> /dev/null | grep . || fail "$what: the above was left behind"
}
import=(data import --format csv --input "$log")

mkdir photos && echo x > photos/cat.jpg
keeps "a stranger's folder" 'photos: exists and is not a data set' photos "${import[@]}" --output photos --overwrite
keeps "the folder we are in" 'is or holds the folder' . "${import[@]}" --output . --overwrite
mkdir source && cp "$log" source/interactions.csv
keeps "the input itself" 'source: is the input' source data import --format csv --input source --output source --overwrite
keeps "the folder of the input" 'source: holds the input' source \
  data import --format csv --input source/interactions.csv --output source --overwrite
keeps "without the flag" 'data: exists already' data "${import[@]}" --output data
echo "my notes" > data/notes.txt
keeps "a stranger's file in a data set" "data: holds 'notes.txt'" data "${import[@]}" --output data --overwrite
rm data/notes.txt
"$tandem" --quiet "${import[@]}" --output data --overwrite > ../stdout || fail "an own data set is not replaced"

"$tandem" --quiet model init --preset tiny --output model 2> ../message
keeps "a model's folder" 'model: exists and is not a data set' model "${import[@]}" --output model --overwrite
mkdir llama && cp model/model.safetensors llama/ && grep -v tandem_version model/config.json > llama/config.json
keeps "somebody else's model" 'llama: exists and is not a model folder' llama model init --preset tiny --output llama --overwrite
"$tandem" --quiet tokenizer train --input data --vocab-size 300 --output model > ../stdout || fail "a model gets no tokenizer"
[ -e model/tokenizer.json ] && [ -e model/model.safetensors ] || fail "a model that got a tokenizer: $(ls model)"
keeps "a model's tokenizer" "model: holds 'model.safetensors', which is no part of a tokenizer" model \
  tokenizer train --input data --vocab-size 300 --output model --overwrite
keeps "a model converted onto itself" 'model: is the input' model model convert model --output model --overwrite
"$tandem" --quiet model init --preset tiny --output model --overwrite 2> ../message || fail "an own model is not replaced"

"$tandem" --quiet eval --dataset data --retriever popularity --output eval > ../stdout
keeps "an evaluation over its data set" 'data: is the input' data eval --dataset data --retriever popularity --output data --overwrite
keeps "an evaluation over a model" 'model: exists and is not an evaluation' model \
  eval --dataset data --retriever popularity --output model --overwrite
keeps "an evaluation that is there" 'eval: exists already' eval eval --dataset data --retriever popularity --output eval
"$tandem" --quiet eval --dataset data --retriever popularity --output eval --overwrite > ../stdout || fail "an own evaluation"

mkdir mlrun && echo '{"program": "other", "verb": "train"}' > mlrun/run.json
keeps "another program's run" 'mlrun: exists and is not a run' mlrun \
  train retriever --dataset data --output mlrun --overwrite

echo "dear diary" > diary.html
keeps "another page" 'diary.html: exists and is not a report' . report eval --output diary.html --overwrite
"$tandem" --quiet report eval --output report.html > ../stdout
keeps "a page that is there" 'report.html: exists already' . report eval --output report.html
"$tandem" --quiet report eval --output report.html --overwrite > ../stdout || fail "an own page is not replaced"

# Interrupted while weights are drawn: nothing stays.
"$tandem" --quiet model init --preset llama-2-7b --layers 2 --output big 2> ../message &
pid=$!
for _ in $(seq 200); do ls -d big.part* > /dev/null 2>&1 && break; sleep 0.05; done
kill -TERM $pid
code=0
wait $pid || code=$?
[ $code != 0 ] || fail "an interrupted model init ends well"
! ls -d big* 2> /dev/null | grep . || fail "an interrupted model init leaves the above"
echo "overwrite: passed"
