#!/bin/sh
# Types, format and rules, import directions, escaping, dead code. Runs all of them, then fails if one did.
set -u

failed=''

step() {
  echo "lint: $1"
  name=$1
  shift
  "$@" || failed="$failed${failed:+, }$name"
}

types() {
  bunx tsc --noEmit
}

# Errors fail; a warning asks for a look, so it is only counted: `bunx biome check` shows them.
rules() {
  bunx biome check --diagnostic-level=error --max-diagnostics=none || return 1
  warnings=$(bunx biome check 2>&1 | sed -n 's/^Found \([0-9]*\) warnings*\.$/\1/p')
  echo "  ${warnings:-0} warnings"
}

# Text in JSX is escaped only where its element says `safe`.
escaping() {
  # shellcheck disable=SC2046 # names are words
  bun --bun node_modules/.bin/xss-scan $(find web -name '*.tsx')
}

dead_code() {
  bun --bun node_modules/.bin/knip
}

step 'types' types
step 'format and rules' rules
step 'import directions' sh .ci/imports.sh
step 'escaping in pages' escaping
step 'dead code' dead_code

if [ -n "$failed" ]; then
  echo "lint failed: $failed"
  exit 1
fi
echo 'lint passed'
