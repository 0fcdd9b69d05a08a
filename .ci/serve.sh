#!/bin/sh
# What `make run` does once the binary is built: sets up what is not there yet, and serves until Ctrl-C.
# serve.sh [BINARY]. Settings come from the environment, as for the binary itself; without any: ./data and :8080.
set -eu

binary=${1:-dist/llm-proxy}
data=${DATA_DIR:-./data}
export LISTEN_ADDR="${LISTEN_ADDR:-:8080}" LOG_FORMAT="${LOG_FORMAT:-console}"
env_file=$data/llm-proxy.env

if [ ! -e "$env_file" ]; then
  if [ -n "${OPENAI_API_KEY:-}" ]; then provider=openai; else provider=mock; fi
  "$binary" setup --provider "$provider" --show-secrets </dev/null
  echo
fi

stop() {
  trap - EXIT
  # shellcheck disable=SC2086 # process ids are words
  kill ${server:-} ${mock:-} 2>/dev/null || true
  wait
}
server=''
mock=''
trap stop EXIT
# Ctrl-C reaches the server by itself, which lets running answers end; any other signal is passed on.
trap ':' INT
trap 'kill $server 2>/dev/null || exit 143' TERM HUP

echo "Data, keys and logs of who did what: $data (back up $data/encryption.key)"
echo "Management token: in $env_file. A new token: $binary manage token create --help"
if "$binary" manage project list --json --offline 2>/dev/null | grep -q '"provider": "mock"'; then
  echo 'Provider: the stand-in `llm-proxy mock` on 127.0.0.1:9000, which runs beside the server and needs no key.'
  echo 'For a real one, with the server running: printenv OPENAI_API_KEY |'
  echo "  $binary manage project create --name mine --provider openai --api-key -"
  "$binary" mock --quiet >/dev/null &
  mock=$!
else
  echo "Providers: those of your projects, see $binary manage project list"
fi
echo

"$binary" server &
server=$!
code=0
wait "$server" || code=$?
# A signal ends the waiting, not the server.
while kill -0 "$server" 2>/dev/null; do
  code=0
  wait "$server" || code=$?
done
exit "$code"
