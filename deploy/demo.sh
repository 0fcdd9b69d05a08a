#!/bin/sh
# The whole idea in a few seconds, without a provider key: demo.sh [BINARY]
# Everything is made in a temporary directory on free ports, and goes away at the end, also after Ctrl-C.
set -eu

binary=${1:-dist/llm-proxy}
case $binary in /*) ;; *) binary=$PWD/$binary ;; esac
[ -x "$binary" ] || { echo "There is no $binary, run make build first" >&2; exit 1; }

home=$(mktemp -d "${TMPDIR:-/tmp}/llm-proxy-demo.XXXXXX")
started=''

clean_up() {
  code=$?
  trap - EXIT INT TERM HUP
  # shellcheck disable=SC2086 # process ids are words
  [ -z "$started" ] || { kill $started && wait $started; } 2>/dev/null || true
  rm -rf "$home"
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cd "$home"

# Nothing of the caller's environment: the demo is the same for everybody.
become_proxy() {
  exec env -i PATH="$PATH" HOME="$home" DATA_DIR="$home/data" \
    MANAGEMENT_TOKEN="$management_token" MANAGEMENT_API_BASE_URL="${url:-}" \
    PROXY_URL="${url:-}" PROXY_TOKEN="${token:-}" "$binary" "$@"
}
proxy() (become_proxy "$@")

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

show() {
  printf '$ llm-proxy %s\n' "$*"
  proxy "$@"
}

give_up() {
  echo "The demo failed: $1" >&2
  cat "$home"/*.log >&2
  exit 1
}

# address_in LOG: waits for "… listens on URL" and prints the URL
address_in() {
  tries=0
  until grep -qs 'listens on' "$1"; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || return 1
    sleep 0.1
  done
  sed -n 's/.*listens on \(http[^, ]*\).*/\1/p' "$1" | head -n 1
}

# field NAME: the value of the first field of that name in the JSON on standard input
field() { sed -n "s/.*\"$1\": \"\\([^\"]*\\)\".*/\\1/p" | head -n 1; }

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

management_token=$(random 32)
provider_key=sk-provider-$(random 8)

say "1. A provider that wants the key $(printf %.16s "$provider_key")… (llm-proxy mock stands in for one)"
become_proxy mock --addr 127.0.0.1:0 --key "$provider_key" --pace 40ms --quiet >mock.log 2>&1 &
started="$started $!"
mock_url=$(address_in mock.log) || give_up 'the stand-in provider did not start'
cat >providers.yaml <<YAML
apis:
  mock:
    base_url: $mock_url
    allowed_methods: [GET, POST]
    allowed_endpoints: ["/*"]
YAML
echo "   listens on $mock_url"

say '2. The proxy in front of it'
become_proxy server --addr 127.0.0.1:0 --api-config-path "$home/providers.yaml" >server.log 2>&1 &
started="$started $!"
url=$(address_in server.log) || give_up 'the server did not start'
echo "   listens on $url"

say '3. A project holds the provider key, sealed; nobody else needs to know it'
printf %s "$provider_key" >key
project=$(proxy manage project create --name demo --provider mock --api-key-file key --json | field id)
show manage project list

say '4. A program gets a token of its own that withers: 10 minutes, 100 requests'
made=$(proxy manage token create --project-id "$project" --duration 10 --max-requests 100 --json)
token=$(echo "$made" | field token)
token_id=$(echo "$made" | field id)
echo "   $token"

say '5. It chats through the proxy with that token; the answer streams'
show chat -m 'What does a withering token do?'

say '6. What was used is written down'
show manage usage list

say '7. The token is revoked'
show manage token revoke "$token_id"

say '8. From the very next request on it is refused'
if show chat -m 'Am I still let in?' 2>refusal.log; then give_up 'a revoked token was let in'; fi
cat refusal.log
grep -q token_inactive refusal.log || give_up 'the refusal does not say why'

say 'That is the idea. Next: make run'
