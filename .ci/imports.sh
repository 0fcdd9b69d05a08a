#!/bin/sh
# Import directions of the tree in the working directory: the rules are in .dependency-cruiser.cjs.
# A checker that sees nothing finds nothing, so it has to have seen every file that there is.
# It is run by Bun, because it refuses versions of Node.js that are good enough for everything else here.
set -u

result=$(mktemp)
trap 'rm -f "$result"' EXIT
set -- src cli web migrations bench test
bun --bun node_modules/.bin/depcruise "$@" --output-type json >"$result"
bun --bun node_modules/.bin/depcruise-fmt --exit-code --output-type err "$result"
found=$?
seen=$(grep -cE '"source": "(src|cli|web|migrations|bench|test)/[^"]*\.tsx?"' "$result")
there=$(find "$@" -name '*.ts' -o -name '*.tsx' | wc -l)
echo "  $seen of $((there)) files seen"
[ "$found" -eq 0 ] && [ "$seen" -ge "$there" ]
