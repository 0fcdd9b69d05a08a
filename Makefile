# Everything this project can do, one word each. Works with GNU make 4, sh, and Node.js with npm; Bun is fetched from
# npm where the pinned version is not on the PATH.

BUN_VERSION := $(shell sed -n 's/.*"bun": "\(.*\)".*/\1/p' package.json)
VERSION     := $(shell sed -n 's/.*"version": "\(.*\)".*/\1/p' package.json)
COMMIT      := $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null || echo unknown)

ifneq ($(shell bun --version 2>/dev/null),$(BUN_VERSION))
BUN         := .tools/bun-$(BUN_VERSION)
export PATH := $(CURDIR)/.tools/node_modules/.bin:$(PATH)
endif

INSTALLED := node_modules/.installed
SOURCES   := $(shell find src cli web migrations -type f ! -name '*.test.ts' 2>/dev/null)

# For the compiler alone: the product takes what begins with LLM_PROXY_ for a setting.
dist/llm-proxy release: export LLM_PROXY_VERSION := $(VERSION)
dist/llm-proxy release: export LLM_PROXY_COMMIT := $(COMMIT)

.PHONY: help run build release test check unit lint fmt bench failover soak fuzz demo clean FORCE
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help: ## show these words
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

run: build ## build, set up what is not there yet, and serve on :8080
	@sh .ci/serve.sh

build: dist/llm-proxy ## the binary for this machine: dist/llm-proxy

release: $(INSTALLED) ## binaries for every system, with checksums: dist/release/
	@sh .ci/release.sh

test: build ## everything: lint, unit, behaviour, coverage; ends with a count
	@sh .ci/test.sh

check: lint unit ## what a change must pass before it is committed: lint and unit tests

unit: $(INSTALLED) ## the unit tests beside the sources
	bun test --parallel --randomize --only-failures src cli test/architecture.test.ts

lint: $(INSTALLED) ## types, format and rules, import directions, escaping, dead code
	@sh .ci/lint.sh

fmt: $(INSTALLED) ## format the sources and fix what can be fixed safely
	bunx biome check --write

bench: build ## measure beside nginx, a bare relay and no proxy; writes bench/results/
	bun bench/run.ts

failover: build ## what programs see when providers fail: directly, through the binary, through a peer
	bun bench/failover/run.ts

soak: build ## memory, hang-ups, many streams, long silence and ten minutes of mixed traffic, held to their bounds
	bun bench/soak/run.ts

fuzz: build ## ten minutes of random requests, with and without the proxy, compared byte by byte
	bun test/fuzz/run.ts

demo: build ## the whole idea in a few seconds, without a provider key
	@sh deploy/demo.sh

clean: ## remove what was built and fetched; data/ stays
	rm -rf dist coverage node_modules .tools

dist/llm-proxy: $(SOURCES) $(INSTALLED) tsconfig.json .ci/compile.sh dist/.version
	@sh .ci/compile.sh $@

# Changes only when version or commit do, so that a binary always tells what it was built from.
dist/.version: FORCE
	@mkdir -p dist
	@echo '$(VERSION) $(COMMIT)' | cmp -s - $@ || echo '$(VERSION) $(COMMIT)' > $@

# No package needs its install script; one of them (@scarf/scarf) would report the installation to its maker.
$(INSTALLED): package.json bun.lock bunfig.toml $(BUN)
	bun install --frozen-lockfile --ignore-scripts
	@touch $@

# npm may refuse to run Bun's own install script, which links the executable for this machine.
.tools/bun-$(BUN_VERSION):
	npm install --prefix .tools --no-save --no-audit --no-fund --loglevel=error bun@$(BUN_VERSION)
	@test "$$(bun --version 2>/dev/null)" = $(BUN_VERSION) || node .tools/node_modules/bun/install.js
	@test "$$(bun --version)" = $(BUN_VERSION)
	@touch $@
