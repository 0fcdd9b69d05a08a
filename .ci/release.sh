#!/bin/sh
# Compiles for every system into dist/release. Bun takes the runtimes of the others from npm and keeps them in its
# cache; where that fails the target is named at the end and the exit code is 1.
set -eu

out=dist/release
# name, target of `bun build`, and how such an executable begins: the format, and the processor for ELF and Mach-O
targets='
linux-x64           bun-linux-x64           7f454c46*3e00
linux-arm64         bun-linux-arm64         7f454c46*b700
darwin-x64          bun-darwin-x64          cffaedfe07000001*
darwin-arm64        bun-darwin-arm64        cffaedfe0c000001*
windows-x64.exe     bun-windows-x64         4d5a*
'

log=$(mktemp)
trap 'rm -f "$log"' EXIT
rm -rf "$out"
mkdir -p "$out"

echo "$targets" | {
  missing=''
  while read -r name target magic; do
    [ -n "$name" ] || continue
    file=$out/llm-proxy-$LLM_PROXY_VERSION-$name
    if sh .ci/compile.sh "$file" --target "$target" >"$log" 2>&1; then
      head=$(od -An -v -tx1 -N20 "$file" | tr -d ' \n')
      # shellcheck disable=SC2254 # the pattern is meant
      case $head in
        $magic) echo "  built $file" ;;
        *) echo "  $file does not begin as an executable for $target does: $head"; missing="$missing $name" ;;
      esac
    else
      sed 's/^/  /' "$log"
      missing="$missing $name"
    fi
  done
  (cd "$out" && if command -v sha256sum >/dev/null; then sha256sum llm-proxy-*; else shasum -a 256 llm-proxy-*; fi >SHA256SUMS)
  echo "  checksums: $out/SHA256SUMS"
  if [ -n "$missing" ]; then
    echo "Could not be built:$missing"
    exit 1
  fi
}
