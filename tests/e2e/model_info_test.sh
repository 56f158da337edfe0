#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `model info` says of a preset is what it says of the folder that `model init` makes of it. Usage: model_info_test.sh TANDEM
set -eu
tandem=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() {
  echo "FAIL: $*" >&2
  exit 1
}

for preset in tiny tiny-llama3; do
  "$tandem" --quiet model init --preset $preset --output $preset-folder
  for flag in --tensors --json; do
    "$tandem" model info $preset $flag | grep -v '^model  ' > preset.txt
    "$tandem" model info $preset-folder $flag | grep -v '^model  ' > folder.txt
    cmp preset.txt folder.txt || fail "$preset $flag: $(diff preset.txt folder.txt)"
  done
done
grep -q '"weight_bytes": [1-9]' preset.txt || fail "no bytes in $(cat preset.txt)"

mkdir tiny
code=0
"$tandem" model info tiny 2> message.txt || code=$?
[ $code != 0 ] && grep -q "config.json" message.txt || fail "a preset went before a folder: $(cat message.txt)"
code=0
"$tandem" model info tinny 2> message.txt || code=$?
[ $code = 2 ] && grep -q "no such folder or file, and no preset of this name (tiny, .*llama-3-8b" message.txt ||
  fail "exit code $code, $(cat message.txt)"
