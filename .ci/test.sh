#!/bin/sh
# Everything that `make test` runs once the binary is built. The last line is `N passed, N failed`.
# A suite whose programs are missing is installed for where that is possible (root, apt), else left out and named; with
# CI=true leaving one out is a failure.
set -u

PATH=$PATH:/usr/sbin:/sbin
coverage_min=90 # percent of the lines of src and cli
test_timeout_ms=30000

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0
left_out=''

has() {
  for program in "$@"; do command -v "$program" >/dev/null || return 1; done
}

install() {
  [ "$(id -u)" = 0 ] && has apt-get || return 1
  echo "installing: $*"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && apt-get install -y --no-install-recommends "$@"; } >"$logs/apt" 2>&1 </dev/null || tail -5 "$logs/apt"
}

# needs SUITE PROGRAMS PACKAGES: whether the suite can run here
needs() {
  # shellcheck disable=SC2086 # programs and packages are words
  has $2 || { install $3 && has $2; } && return 0
  left_out="$left_out$1: needs $2 (packages: $3)
"
  return 1
}

count() {
  passed=$((passed + $1))
  failed=$((failed + $2))
}

# One thing that holds or does not.
check() {
  echo
  echo "== $1"
  shift
  if "$@"; then count 1 0; else count 0 1; fi
}

# suite NAME [flags and paths of `bun test`]
suite() {
  echo
  echo "== $1"
  shift
  { bun test --randomize --only-failures --timeout "$test_timeout_ms" "$@" </dev/null 2>&1; echo $? >"$logs/code"; } | tee "$logs/out"
  pass=$(sed -n 's/^ *\([0-9][0-9]*\) pass$/\1/p' "$logs/out" | tail -1)
  fail=$(sed -n 's/^ *\([0-9][0-9]*\) fail$/\1/p' "$logs/out" | tail -1)
  # A file that cannot be loaded, an error between tests or a run without a test has no failed test of its own.
  if [ "$(cat "$logs/code")" != 0 ] && [ "${fail:-0}" = 0 ]; then fail=1; fi
  count "${pass:-0}" "${fail:-0}"
}

covered() {
  awk -F: -v min="$coverage_min" '
    /^SF:/ { file = $2; ours = file ~ /^(src|cli)\// && file !~ /\.test\.ts$/ }
    ours && /^LF:/ { found = $2; all += $2 }
    ours && /^LH:/ { hit += $2; if (found > 0 && $2 / found * 100 < min) low[file] = sprintf("%5.1f %%", $2 / found * 100) }
    END {
      if (all == 0) { print "no lines of src and cli were measured"; exit 1 }
      for (file in low) print "  " low[file] "  " file | "sort -n"
      close("sort -n")
      printf "%.1f %% of %d lines of src and cli are covered, at least %d %% have to be\n", hit / all * 100, all, min
      exit hit / all * 100 < min
    }' coverage/lcov.info
}

without='test/fuzz/**' # by itself, for it would take the time of those that measure
needs 'test/packaging/systemd-analyze.test.ts' systemd-analyze systemd || without="$without,test/packaging/systemd-analyze.test.ts"
# These tests leave themselves out.
needs 'completion in zsh and fish' 'zsh fish' 'zsh fish' || true
needs 'test/proxy/front-proxy.test.ts' 'nginx caddy curl' 'nginx-light caddy curl' || true
needs 'test/docs/examples.test.ts' curl curl || without="$without,test/docs/examples.test.ts"

check 'lint' sh .ci/lint.sh
rm -rf coverage
suite 'unit and behaviour' --parallel --coverage --coverage-reporter=lcov --coverage-dir=coverage \
  "--path-ignore-patterns={$without}" src cli migrations test
check 'coverage' covered
suite 'fuzz and chaos' test/fuzz
if needs 'bench/run.test.ts' 'nginx wrk' 'nginx-light wrk'; then
  suite 'benchmark' bench
else
  suite 'benchmark' bench/report.test.ts
fi

echo
if [ -n "$left_out" ]; then
  echo 'Left out:'
  printf '%s' "$left_out" | sed 's/^/  /'
  if [ "${CI:-}" = true ]; then count 0 "$(printf '%s' "$left_out" | wc -l)"; fi
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
