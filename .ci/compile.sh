#!/bin/sh
# Compiles the binary: compile.sh OUTFILE [flags of `bun build`, such as --target]. Version and commit come from make.
set -eu

outfile=$1
shift
mkdir -p "$(dirname "$outfile")"
draft=$outfile.draft
# A binary that runs cannot be written over, only replaced. The binary must not be steered by the directory that it is
# started in, hence --no-compile-autoload-…; the two for tsconfig and package.json say aloud what is the default.
# The second entry is the thread that src/proxy/estimate.ts starts.
bun build cli/main.ts src/proxy/token-worker.ts --outfile "$draft" \
  --compile --minify --bytecode \
  --no-compile-autoload-dotenv --no-compile-autoload-bunfig \
  --no-compile-autoload-tsconfig --no-compile-autoload-package-json \
  --define "LLM_PROXY_VERSION=\"${LLM_PROXY_VERSION:?}\"" \
  --define "LLM_PROXY_COMMIT=\"${LLM_PROXY_COMMIT:?}\"" \
  "$@"
if [ -e "$draft.exe" ]; then draft=$draft.exe; fi
mv "$draft" "$outfile"
