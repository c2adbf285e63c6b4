# One command per chore. `make` alone lists them.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := bash
.SHELLFLAGS := -o pipefail -c

TARGET := $(shell uname -m)-unknown-linux-musl
BINARIES := target/$(TARGET)/image
PROGRAMS := webhook sidecar spawner runtime
CLUSTER := target/debug/cluster-dev
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bp-openclaw
HELM_UNITTEST := $(CACHE)/helm-unittest
CYCLONUS := $(CACHE)/cyclonus
CRANE := $(CACHE)/crane
KIND := $(CACHE)/kind
PROMTOOL := $(CACHE)/promtool
HELM_DOCS := $(CACHE)/helm-docs
SCHEMATHESIS_VERSION := 4.32.0
SCHEMATHESIS := $(CACHE)/schemathesis-$(SCHEMATHESIS_VERSION)/bin/schemathesis

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: images bins ## bring everything up and tell the story of one user's pod
	target/debug/demo

.PHONY: down
down: ## end the cluster and all that belongs to it; the cache stays
	cargo build --quiet -p cluster-dev
	$(CLUSTER) down

.PHONY: test
test: ## everything, the real-cluster tests too; ends with the counts
	@mkdir -p target; $(MAKE) lint test-unit test-api fuzz test-chart test-cluster 2>&1 | tee target/test.log; status=$$?; \
	awk '/^test result:/ {passed += $$4; failed += $$6} \
	  /^[0-9]+ passed, [0-9]+ failed$$/ {passed += $$1; failed += $$3} \
	  /^Tests: .*passed/ {for (i = 2; i < NF; i++) {if ($$(i + 1) ~ /^passed/) passed += $$i; if ($$(i + 1) ~ /^failed/) failed += $$i}} \
	  END {printf "%d passed, %d failed\n", passed, failed}' target/test.log; exit $$status

.PHONY: test-unit
test-unit: bins ## what needs no cluster
	cargo test --workspace

.PHONY: test-api
test-api: $(SCHEMATHESIS) ## the spawner's API against its OpenAPI document, by schemathesis
	SCHEMATHESIS=$(SCHEMATHESIS) cargo test -p spawner --features schemathesis --test spawner conformance

# Installed as its own Python environment, by version.
$(SCHEMATHESIS):
	@python3 -c 'import ensurepip' 2>/dev/null || $(call apt_install,python3-venv)
	python3 -m venv $(CACHE)/schemathesis-$(SCHEMATHESIS_VERSION)
	$(CACHE)/schemathesis-$(SCHEMATHESIS_VERSION)/bin/pip install --quiet schemathesis==$(SCHEMATHESIS_VERSION)

.PHONY: test-chart
test-chart: $(CACHE)/bin/helm $(HELM_UNITTEST) $(CYCLONUS) $(CRANE) $(KIND) $(PROMTOOL) $(HELM_DOCS) bins ## the chart's suites and what every render must hold
	$(CACHE)/bin/helm lint chart --quiet --values chart/tests/values/real.yaml
	$(HELM_UNITTEST) chart
	tests/chart-docs.sh $(HELM_DOCS) --check
	tests/render-toggles.sh $(CACHE)/bin/helm
	tests/package.sh $(CACHE)/bin/helm $(CRANE)
	tests/kind-config.sh $(KIND)
	HELM=$(CACHE)/bin/helm CYCLONUS=$(CYCLONUS) PROMTOOL=$(PROMTOOL) \
	  cargo test -p tests --features chart --test network_policies --test monitoring --test injected --test values --test docs

.PHONY: chart-docs
chart-docs: $(HELM_DOCS) ## chart/README.md, from the comments of chart/values.yaml
	tests/chart-docs.sh $(HELM_DOCS)

.PHONY: api-docs
api-docs: ## the reference in docs/api.md, from the spawner's OpenAPI document
	UPDATE_GOLDEN=1 cargo test --quiet -p tests --test docs the_api_page

PACKAGES ?= target/package
.PHONY: package
package: $(CACHE)/bin/helm ## the chart as a file in target/package; with OCI=oci://HOST/PATH also pushed there
	@$(CACHE)/bin/helm package chart --destination $(PACKAGES)
	@if [ -n "$(OCI)" ]; then $(CACHE)/bin/helm push $(PACKAGES)/bp-openclaw-$$(sed -n 's/^version: //p' chart/Chart.yaml).tgz $(OCI); fi

# The chart is installed and rendered with helm 4 (tests/tools/helm); helm-unittest brings a 3 of its own.
$(CACHE)/bin/helm:
	$(MAKE) up

$(HELM_UNITTEST): PACKAGE := github.com/helm-unittest/helm-unittest/cmd/helm-unittest
$(CYCLONUS): PACKAGE := github.com/mattfenwick/cyclonus/cmd/cyclonus
$(CRANE): PACKAGE := github.com/google/go-containerregistry/cmd/crane
$(KIND): PACKAGE := sigs.k8s.io/kind
# Without service discovery, which checks no rules and takes in the clients of every cloud.
$(PROMTOOL): PACKAGE := -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool
$(HELM_DOCS): PACKAGE := github.com/norwoodj/helm-docs/cmd/helm-docs
$(HELM_UNITTEST) $(CYCLONUS) $(CRANE) $(KIND) $(PROMTOOL) $(HELM_DOCS): $(CACHE)/%: tests/tools/%/go.mod
	cd tests/tools/$* && CGO_ENABLED=0 GOWORK=off go build -mod readonly -trimpath -ldflags "-s -w" -o $@ $(PACKAGE)
	@touch $@

.PHONY: test-cluster
test-cluster: openclaw bins browser ## the tests on a real cluster, with real Keycloak and real helm
	@if $(CLUSTER) env | grep -q '^CLUSTER_MODE=control-plane-only'; then \
	  echo "a control plane alone runs no pods: the tests that need them are left out"; features=cluster; \
	else features=pods; fi; set -x; \
	cargo test -p tests -p cluster-dev --features tests/$$features,cluster-dev/cluster

# Debian's Chromium and Node, and playwright-core and axe-core at the versions of package-lock.json.
DRIVER := tests/browser/node_modules/.package-lock.json
.PHONY: browser
browser: $(DRIVER)
	@command -v chromium >/dev/null || $(call apt_install,chromium fonts-dejavu-core)

$(DRIVER): tests/browser/package-lock.json
	@command -v npm >/dev/null || $(call apt_install,nodejs npm)
	npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund --silent
	@touch $@

apt_install = { export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq && apt-get install -qq -y --no-install-recommends $(1); }

# The demo and the tests start some of our programs on this host.
.PHONY: bins
bins:
	cargo build --quiet --workspace --bins

.PHONY: lint
lint: toolchain ## format, clippy and docs, without a warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps

CARGO_FUZZ := $(CACHE)/cargo-fuzz
FUZZ_SECONDS ?= 60
# What CI finds, a clean clone finds again. 0 takes another way each time.
FUZZ_SEED ?= 1
# Ours is safe Rust, in which the address sanitizer would find nothing and cost half the speed.
FUZZ := --sanitizer none --target-dir $(CURDIR)/target/fuzz

# Each crate with a folder fuzz/, each target of it, beginning with fuzz/seeds/<target>. What is found
# is kept in fuzz/corpus and fuzz/artifacts, which git does not see.
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZ_SECONDS (60) from FUZZ_SEED (1; 0 is random); needs a nightly toolchain, says so when there is none
	@if ! cargo +nightly --version >/dev/null 2>&1; then \
	  echo "no nightly toolchain (rustup toolchain install nightly): the fuzz targets are left out"; exit 0; \
	fi; $(MAKE) fuzz-all

.PHONY: fuzz-all
fuzz-all: $(CARGO_FUZZ)/bin/cargo-fuzz
	@export PATH="$(CARGO_FUZZ)/bin:$$PATH"; \
	for crate in $(patsubst %/fuzz/Cargo.toml,%,$(wildcard */fuzz/Cargo.toml)); do \
	  cd $(CURDIR)/$$crate; for target in $$(cargo +nightly fuzz list); do \
	    echo "fuzzing $$crate $$target for $(FUZZ_SECONDS) s"; mkdir -p fuzz/corpus/$$target; \
	    options="-seed=$(FUZZ_SEED) -max_total_time=$(FUZZ_SECONDS) -timeout=10 -verbosity=0 -print_final_stats=1"; \
	    if [ -f fuzz/$$target.dict ]; then options="$$options -dict=fuzz/$$target.dict"; fi; \
	    cargo +nightly fuzz run $(FUZZ) $$target fuzz/corpus/$$target $$(ls -d fuzz/seeds/$$target 2>/dev/null) \
	      -- $$options || exit 1; \
	  done; \
	done

$(CARGO_FUZZ)/bin/cargo-fuzz:
	cargo install --locked --version 0.13.2 cargo-fuzz --root $(CARGO_FUZZ)

CARGO_DENY := $(CACHE)/cargo-deny

.PHONY: deny
deny: $(CARGO_DENY)/bin/cargo-deny ## licences, banned crates, sources (builds cargo-deny once, about five minutes)
	PATH="$(CARGO_DENY)/bin:$$PATH" cargo deny check bans licenses sources

$(CARGO_DENY)/bin/cargo-deny:
	cargo install --locked --version 0.20.2 cargo-deny --root $(CARGO_DENY)

CYCLONEDX := $(CACHE)/cargo-cyclonedx
BUNDLE_LICENSES := $(CACHE)/cargo-bundle-licenses
RELEASE := target/release-files

# Of what is linked into each program, for the images' target.
.PHONY: sbom
sbom: $(CYCLONEDX)/bin/cargo-cyclonedx ## what is in each program, as CycloneDX (target/release-files/*.cdx.json)
	tests/sbom.sh $(CYCLONEDX)/bin/cargo-cyclonedx $(TARGET) $(RELEASE)

$(CYCLONEDX)/bin/cargo-cyclonedx:
	cargo install --locked --version 0.5.9 cargo-cyclonedx --root $(CYCLONEDX)

.PHONY: notices
notices: $(BUNDLE_LICENSES)/bin/cargo-bundle-licenses ## licences of everything that is linked in, with their texts (target/release-files/NOTICES.yaml)
	@mkdir -p $(RELEASE)
	PATH="$(BUNDLE_LICENSES)/bin:$$PATH" cargo bundle-licenses --format yaml --output $(RELEASE)/NOTICES.yaml

$(BUNDLE_LICENSES)/bin/cargo-bundle-licenses:
	cargo install --locked --version 5.0.0 cargo-bundle-licenses --root $(BUNDLE_LICENSES)

# Not part of `make test`: the second build takes as long as a release build.
.PHONY: reproducible
reproducible: binaries $(CRANE) ## the programs built a second time, and the images of both builds, have the same bytes
	cargo build --quiet -p cluster-dev
	cargo build --profile image --target $(TARGET) $(PROGRAMS:%=-p %) --target-dir target/reproducible
	tests/reproducible.sh $(CLUSTER) $(CRANE) $(BINARIES) target/reproducible/$(TARGET)/image

.PHONY: bench
bench: bench-webhook bench-sidecar bench-spawner bench-path bench-instructions bench-report ## everything that is measured, and the page docs/benchmarks (half an hour, two quiet cores)

.PHONY: bench-report
bench-report: ## the page docs/benchmarks, from what target/bench holds
	cargo run --quiet -p bench --bin bench-report -- --record target/bench

.PHONY: bench-page
bench-page: ## the page docs/benchmarks once more, from docs/benchmarks/results
	cargo run --quiet -p bench --bin bench-report

# The Go webhook that ours is compared with.
GO_WEBHOOK := $(CACHE)/bench/go-webhook
$(GO_WEBHOOK): $(wildcard bench/go-webhook/*)
	cd bench/go-webhook && CGO_ENABLED=0 GOWORK=off go build -mod readonly -trimpath -ldflags "-s -w" -o $@ .

BENCH_STATE := $(CURDIR)/target/bench/cluster

.PHONY: bench-webhook
bench-webhook: toolchain $(GO_WEBHOOK) ## the webhook: one admission in process, over TLS beside one in Go, and its memory
	cargo build --quiet -p cluster-dev
	cargo build --profile image --target $(TARGET) -p webhook --bins --example bench-webhook
	@export CLUSTER_DEV_STATE=$(BENCH_STATE); mkdir -p target/bench; \
	$(CLUSTER) up --control-plane-only && export $$($(CLUSTER) env | grep '^KUBECONFIG=') && \
	BENCH_KUBECONFIG=$$KUBECONFIG BENCH_GO_WEBHOOK=$(GO_WEBHOOK) $(BINARIES)/examples/bench-webhook; status=$$?; \
	$(CLUSTER) down; exit $$status

# The sidecar as the Dockerfile builds it.
.PHONY: bench-sidecar
bench-sidecar: toolchain ## the sidecar beside HAProxy, Envoy and Apache (6 minutes, needs two quiet cores)
	$$(sed -n 's/^ENV \(CARGO_PROFILE_.*\)/env \1/p' Dockerfile) cargo build --profile image --target $(TARGET) -p sidecar --target-dir target/bench
	cargo build --release -p bench
	target/release/bench-sidecar --sidecar target/bench/$(TARGET)/image/sidecar

# The spawner and the sidecar as the Dockerfile builds them; the webhook only tells what pods look like.
.PHONY: bench-spawner
bench-spawner: toolchain ## the spawner: spawns, wake-ups, API calls, requests beside HAProxy and Envoy, memory (10 minutes, two quiet cores)
	cargo build --quiet -p cluster-dev
	cargo build --profile image --target $(TARGET) -p webhook
	$$(sed -n 's/^ENV \(CARGO_PROFILE_.*\)/env \1/p' Dockerfile) cargo build --profile image --target $(TARGET) -p sidecar -p spawner --target-dir target/bench
	cargo build --release -p bench
	@export CLUSTER_DEV_STATE=$(BENCH_STATE); mkdir -p target/bench; \
	$(CLUSTER) up --control-plane-only --audit && export $$($(CLUSTER) env) && \
	target/release/bench-spawner --spawner target/bench/$(TARGET)/image/spawner \
	  --sidecar target/bench/$(TARGET)/image/sidecar --webhook $(BINARIES)/webhook; status=$$?; \
	$(CLUSTER) down; exit $$status

# On the cluster of `make demo`, which stays up.
.PHONY: bench-path
bench-path: images ## from the request to a runtime's first byte on the real cluster, beside the same pod without injection
	@if $(CLUSTER) env | grep -q '^CLUSTER_MODE=control-plane-only'; then echo "a control plane alone runs no pods: not measured"; \
	else cargo run --quiet -p tests --bin bench-path; fi

# On one thread, with fixed input: what valgrind counts is the same on a busy machine.
.PHONY: bench-instructions
bench-instructions: hot-paths ## instructions of the hot paths beside bench/instructions.json; fails above 5 %
	target/debug/bench-instructions --examples $(BINARIES)/examples

.PHONY: bench-instructions-record
bench-instructions-record: hot-paths ## REASON="...": writes down what the hot paths cost now
	@test -n "$(REASON)" || { echo 'a new number needs a reason: REASON="..."'; exit 2; }
	target/debug/bench-instructions --examples $(BINARIES)/examples --record "$(REASON)"

.PHONY: hot-paths
hot-paths: toolchain
	@command -v valgrind >/dev/null || $(call apt_install,valgrind)
	cargo build --quiet -p bench --bin bench-instructions
	cargo build --profile image --target $(TARGET) -p webhook -p edge --example bench-webhook --example hot-paths

.PHONY: up
up: ## a one-node cluster: kind where Docker runs, otherwise the real parts on this host
	cargo build --quiet -p cluster-dev
	$(CLUSTER) up

.PHONY: images
images: up ## static binaries as images, in the cluster
	@if $(CLUSTER) env | grep -q '^CLUSTER_MODE=control-plane-only'; then \
	  echo "a control plane alone runs no pods: no images needed"; \
	else $(MAKE) binaries && $(CLUSTER) load --binaries $(BINARIES); fi

# Node.js with OpenClaw, and with Node-RED, from their registry packages (tests/tools), 380 MB.
.PHONY: openclaw
openclaw: images ## the images of the real OpenClaw and of Node-RED, in the cluster
	@command -v npm >/dev/null || $(call apt_install,nodejs npm)
	@$(CLUSTER) env | grep -q '^CLUSTER_MODE=control-plane-only' || $(CLUSTER) load --binaries $(BINARIES) --openclaw

.PHONY: binaries
binaries: toolchain ## webhook, sidecar, spawner and runtime as static musl binaries
	cargo build --profile image --target $(TARGET) $(PROGRAMS:%=-p %)

.PHONY: images-docker
images-docker: ## the same images through the Dockerfile, for those who have Docker
	@for program in $(PROGRAMS); do docker build --target $$program -t bp-openclaw/$$program:dev . || exit 1; done

.PHONY: toolchain
toolchain: ## the pinned Rust toolchain with its musl target
	@rustup toolchain list | grep -q "^$$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)" || rustup toolchain install
	@rustup target list --installed | grep -q '^$(TARGET)$$' || rustup target add $(TARGET)
