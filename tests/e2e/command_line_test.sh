#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line itself: misspelt words, help, version, completion. Usage: command_line_test.sh TANDEM
set -eu
tandem=$1
here=$(dirname "$0")
. "$here/tiny_dataset.sh"

# refuses PATTERN WORD...: exit code 2, nothing on standard output, a message that matches.
refuses() {
  local pattern=$1 code=0
  shift
  "$tandem" "$@" > "$work/stdout" 2> "$work/message" || code=$?
  [ $code = 2 ] || fail "tandem $*: exit code $code, expected 2"
  [ ! -s "$work/stdout" ] || fail "tandem $*: something on standard output"
  grep -qE -- "$pattern" "$work/message" || fail "tandem $*: '$(cat "$work/message")' does not match '$pattern'"
}

refuses "^tandem: tandem has no verb 'recomend'; did you mean 'recommend'\?$" recomend
refuses "^tandem: tandem has no verb 'recomend'; did you mean 'recommend'\?$" recomend --user 1 --dataset x
refuses "^tandem: tandem has no verb 'import'; did you mean 'tandem data import'\?$" import --input x
refuses "^tandem: tandem data has no verb 'improt'; did you mean 'import'\?$" data improt
refuses "^Try: tandem data --help$" data improt
refuses "^tandem: tandem data import has no option '--ouput'; did you mean '--output'\?$" data import --input x --ouput y
refuses "^tandem: tandem data import has no option '--formt'; did you mean '--format'\?$" \
  data import --input x --output y --formt=csv
refuses "^Try: tandem data import --help$" data import --input x --ouput y
refuses "^tandem: tandem has no option '--vresion'; did you mean '--version'\?$" --vresion
refuses "^tandem: tandem doctor: unexpected argument 'now'$" doctor now
refuses "^tandem: tandem has no verb 'zzzzzzzzzz'$" zzzzzzzzzz
refuses "^tandem: .*--output is required" data import --input x
refuses "^tandem: tandem has no verb 'evla'; did you mean 'eval'\?$" help evla
refuses "^tandem: tandem eval: unexpected argument 'x'$" help eval x
# Without a verb: what there is.
refuses "^  recommend +" 
refuses "^  import +" data

same() { [ "$1" = "$2" ] || fail "'$1' is not '$2'"; }
same "$("$tandem" help)" "$("$tandem" --help)"
same "$("$tandem" help data)" "$("$tandem" data --help)"
same "$("$tandem" help data import)" "$("$tandem" data import --help)"
same "$("$tandem" version)" "$("$tandem" --version)"
"$tandem" version | grep -qE '^tandem [0-9]+\.[0-9]+' || fail "version: $("$tandem" version)"

# Completion, as bash runs it: `complete WORD...` prints what the last word may become.
complete_words() {
  bash -c '
    eval "$("$1" completion bash)"
    shift
    COMP_WORDS=(tandem "$@")
    COMP_CWORD=$#
    _tandem
    echo "${COMPREPLY[*]}"' - "$tandem" "$@"
}
same "$(complete_words reco)" recommend
same "$(complete_words data '')" "import describe export generate"
same "$(complete_words data im)" import
same "$(complete_words data import --drop)" "--drop-items --drop-untitled"
same "$(complete_words --quiet data import --ti)" "--ties --titles"
same "$(complete_words data import --titles '')" "clean llamarec plain"
same "$(complete_words data import --titles cl)" clean
same "$(complete_words data import --input x --ties f)" file
same "$(complete_words data import --input '')" ""   # a file: bash's own completion
same "$(complete_words data export somewhere --format c)" csv
same "$(complete_words completion --he)" "--help"

# Every verb: all of them complete, and no line of help is longer than 80 columns.
check_verb() {
  local verb word
  "$tandem" "$@" --help > "$work/help"
  verb=$(awk 'length($0) > 80' "$work/help")
  [ -z "$verb" ] || fail "tandem $* --help: lines of more than 80 columns: $verb"
  # A line of a paragraph is broken only where its next word would not fit.
  verb=$(awk '/^[^ ]/ && last != "" && length(last) + 1 + length($1) <= 80 { print last "|" $0 }
              { last = /^[^ ]/ && !/:$/ ? $0 : "" }' "$work/help")
  [ -z "$verb" ] || fail "tandem $* --help: a paragraph has broken lines: $verb"
  ! grep -qE '(INT|TEXT|FLOAT):' "$work/help" || fail "tandem $* --help: $(grep -E '(INT|TEXT|FLOAT):' "$work/help")"
  for word in $(complete_words "$@" ''); do
    verbs=$((verbs + 1))
    check_verb "$@" "$word"
  done
}
verbs=0
check_verb
[ "$verbs" -gt 25 ] || fail "only $verbs verbs complete"
for shell in zsh fish; do
  "$tandem" completion "$shell" > "$work/$shell"
  if command -v "$shell" > /dev/null; then "$shell" -n "$work/$shell" || fail "$shell cannot read its script"; fi
  grep -q "llamarec" "$work/$shell" || fail "$shell's script has no choices"
done
echo "$verbs verbs"

# The documentation's index names every page.
for page in docs/*.md; do
  [ "$page" = docs/README.md ] || grep -q "($(basename "$page"))" docs/README.md || fail "docs/README.md does not name $page"
done
