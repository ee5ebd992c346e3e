# Only Go and Python 3 (3.10 or newer, with venv) are assumed; everything else is
# fetched at the versions that go.mod, tools/go.mod and requirements-dev.txt pin.
# `make test-all` also needs to be root, systemd, tmux, Chromium, Python 3.11 and Python 3.9.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PYTHON  ?= python3

# Prefect 1 runs on no Python that a system still has: pyenv's 3.9, uv's, or any other.
HOMES    = $(HOME) $(shell getent passwd "$$(id -u)" | cut -d: -f6)
PYTHON39 ?= $(firstword $(wildcard $(addsuffix /versions/3.9.*/bin/python3.9,$(PYENV_ROOT) $(addsuffix /.pyenv,$(HOMES))) \
	$(addsuffix /.local/share/uv/python/cpython-3.9*/bin/python3.9,$(HOMES))) python3.9)

# What a release is built for, as .goreleaser.yaml has it.
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

# Each other system once, and the other architecture: no file depends on both.
FOREIGN = darwin/arm64 windows/amd64

# The race detector needs a C compiler. Where there is none, Go turns cgo off and
# the tests run without it; .ci/run insists.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# Where goroutines meet, and so where the race detector belongs in every run: the
# engine's steps, the lease and its renewal, the board and its clock, the parallel
# reads of a resource, and the sandbox's lock.
RACED = ./provision ./provision/lease ./provision/resource ./provision/view ./provision/sandbox/...

# Where they meet, too, but the tests take minutes with it: a command's run with its
# board, the parts of a whole environment, and what asks AWS and Prefect in parallel.
RACED_LATER = ./cmd/flowbed ./provision/conn ./provision/doctor ./provision/prefect ./provision/stack

# These tests start the program again and again. Under the race detector that
# takes minutes, and what happens between processes it does not see.
PROGRAMS = TestScripts|TestSentinel|TestShownWorkflowsRun|TestTogether

# go-test runs all packages once: $(1) is the level (see test/e2e/able), $(2) more
# flags. RACED run under the race detector, the others without it. The tests against
# servers take longest, so they start first. A -timeout is only for a test that hangs:
# at least five times what the longest package was seen to take.
define go-test
	@set -e; plain=$$(go list ./... | grep -vxF "$$(go list $(RACED))"); failed=; \
	FLOWBED_TESTS=$(1) go test $(2) ./test/e2e $$plain || failed=1; \
	echo "$(if $(RACE),Under the race detector:,Without the race detector: there is no C compiler.)"; \
	FLOWBED_TESTS=$(1) go test $(2) $(RACE) $(RACED) || failed=1; \
	test -z "$$failed"
endef

# format fails if a file is not formatted.
define format
	@unformatted=$$(gofmt -l cmd provision templates test); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w is due for:"; echo "$$unformatted"; exit 1; fi
endef

# lint-pages lints the workflows that docs/ci.md shows.
define lint-pages
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	awk -v dir="$$dir" '/^```yaml$$/ { file = dir "/" ++n ".yml"; next } /^```$$/ { file = "" } file { print > file }' docs/ci.md; \
	PATH="$(CURDIR)/.venv/bin:$$PATH" bin/actionlint "$$dir"/*.yml
endef

export FLOWBED_TEST_VENV := $(CURDIR)/.venv
export FLOWBED_TEST_PREFECT := $(CURDIR)/.venv-prefect

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/flowbed
	@mkdir -p bin
	go build -buildvcs=false -trimpath -ldflags "-s -w -X main.linkedVersion=$(VERSION)" -o bin/flowbed ./cmd/flowbed

.PHONY: demo
demo: build ## build, check and remove an environment in the embedded sandbox, without AWS
	@docs/demo/run bin/flowbed

.PHONY: check
check: ## check the format, vet, run the tests that need no server: 1 minute, while you work
	$(format)
	go vet ./...
	$(call go-test,check,-vet=off -timeout 30m)

.PHONY: test
test: .venv/ready ## run what a change must pass before you commit it: 5 minutes
	@echo "make test runs the tests of all packages: in the sandbox, against moto (an AWS emulator), and under the race"
	@echo "detector where goroutines meet. About 5 minutes on 2 cores; the first run compiles, which takes 10 minutes more."
	$(call go-test,test,-timeout 1h)

# The level all changes only tests of e2e, lease and view. make test ran the fault matrix
# whole, so the race detector sees a part.
.PHONY: test-all
test-all: test .venv-prefect/wheels .venv-prefect1/ready ## run make test, then the slow proofs, under the race detector: 30 minutes, as root
	@echo "make test-all now runs under the race detector: all crashes of the real program, real Prefect servers, machines that"
	@echo "boot, agents of Prefect 1, and $(RACED_LATER)."
	@echo "About 20 minutes on 2 cores. What this machine lacks is a failure."
	@failed=; \
	FLOWBED_TESTS=all go test -vet=off $(RACE) -timeout 4h -skip '$(PROGRAMS)' ./test/e2e ./provision/lease ./provision/view $(RACED_LATER) || failed=1; \
	FLOWBED_TESTS=check go test -vet=off $(RACE) -timeout 4h ./test/faultmatrix || failed=1; \
	test -z "$$failed"

.PHONY: lint
lint: bin/golangci-lint bin/actionlint ## check the format, run golangci-lint and actionlint, build for other systems
	$(format)
	bin/golangci-lint run ./...
	PATH="$(CURDIR)/.venv/bin:$$PATH" bin/actionlint
	$(lint-pages)
	@$(MAKE) --no-print-directory cross PLATFORMS="$(FOREIGN)"

# Each of them compiles everything anew, unless Go has it in its cache.
.PHONY: cross
cross: ## vet and build the program for all platforms of a release
	@set -e; for platform in $(PLATFORMS); do echo "vet and build for $$platform"; \
	export CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
	go vet ./cmd/flowbed; go build -o /dev/null ./cmd/flowbed; done

.PHONY: release-check
release-check: bin/goreleaser ## try a release of one platform, without publishing it: 10 minutes the first time
	bin/goreleaser check
	@mkdir -p .release
	sed -E 's/goos: \[.*/goos: [linux]/; s/goarch: \[.*/goarch: [amd64]/' .goreleaser.yaml > .release/one.yaml
	bin/goreleaser release --snapshot --clean --config .release/one.yaml --skip=sign,sbom,docker,homebrew
	dist/flowbed_linux_amd64_v1/flowbed version

.PHONY: bench
bench: build .venv/ready ## measure the program against moto with 50 ms added to each call
	go run ./test/e2e/bench -binary bin/flowbed $(BENCH)

.PHONY: peers
peers: build .venv/ready .venv-peers/ready .venv-prefect/wheels ## measure flowbed beside Terraform, Ansible and Prefect: an hour
	go run ./test/peers -binary bin/flowbed $(PEERS)

.PHONY: canary
canary: ## ask your AWS account what only AWS can tell: 40 minutes, some cents (docs/first-account.md)
	@go run ./test/canary $(CANARY)

.PHONY: matrix
matrix: .venv/ready ## write docs/fault-matrix.md from what the tests find: 20 minutes
	go test ./test/faultmatrix -update
	FLOWBED_TESTS=all go test -timeout 4h -run TestCrashes ./test/e2e -update

.PHONY: docs
docs: ## write docs/commands.md, spec.md, permissions.md and schemas, and build the site
	go generate ./provision/sandbox
	go run ./provision/spec/gendoc
	go run ./provision/permissions/gendoc
	go run ./provision/view/gendoc
	go test ./cmd/flowbed -run TestCommandReference -update
	@$(MAKE) --no-print-directory site

# The site is a copy of docs/, in which links to other files lead to the repository. A link
# that leads nowhere is an error.
.PHONY: site
site: .venv-site/ready ## build the documentation as a site in .site/site, and check its links
	rm -rf .site
	mkdir .site
	cp -R docs zensical.toml .site/
	sed -E -i.bak 's#\]\(\.\./([^)]*)\)#](https://github.com/flowbed/flowbed/blob/main/\1)#g' .site/docs/*.md
	rm .site/docs/*.bak
	cd .site && ../.venv-site/bin/zensical build --strict

.PHONY: picture
picture: build ## record the session that README.md shows; needs tmux
	go run ./docs/demo/picture bin/flowbed > docs/demo/session.svg.new
	mv docs/demo/session.svg.new docs/demo/session.svg

.PHONY: golden
golden: .venv/ready ## write the golden files from what the code does now
	go test $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -n1 dirname | sort -u | grep -v test/e2e) -update

.PHONY: venv
venv: .venv/ready ## install the Python programs that make test needs into .venv
	@echo ".venv is ready."

.PHONY: clean
clean: ## remove what these targets made
	rm -rf bin dist .release .site .venv .venv-*

# Each tool has a module file of its own: its dependencies are not ours, nor those of another tool.
bin/golangci-lint: tools/go.mod tools/go.sum
	@mkdir -p bin
	cd tools && go build -trimpath -ldflags "-s -w" -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/actionlint: tools/actionlint/go.mod tools/actionlint/go.sum
	@mkdir -p bin
	cd tools/actionlint && go build -trimpath -ldflags "-s -w" -o ../../bin/actionlint github.com/rhysd/actionlint/cmd/actionlint

bin/goreleaser: tools/release/go.mod tools/release/go.sum
	@mkdir -p bin
	cd tools/release && go build -trimpath -ldflags "-s -w" -o ../../bin/goreleaser github.com/goreleaser/goreleaser/v2

# A virtual environment is made anew when its pins change: a half-updated one
# would test something that nobody wrote down.
define venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, $(1)))' 2>/dev/null || \
		{ echo "The tests need Python 3.$(1) or newer; name one with PYTHON=..." >&2; exit 1; }
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
endef

.venv/ready: requirements-dev.txt
	$(call venv,10)

.venv-site/ready: requirements-site.txt
	$(call venv,10)

# Virtual environments of single tests, which would not agree with the one above.
.venv-%/ready: test/e2e/requirements-%.txt
	$(call venv,11)

# Ansible 12 runs on Python 3.11 and newer.
.venv-peers/ready: test/peers/requirements.txt
	$(call venv,11)

# The same pins as wheels: the agents of the tests install them, without a network.
.venv-prefect/wheels: .venv-prefect/ready
	rm -rf $@ $@.new
	$(@D)/bin/python -m pip download --quiet --disable-pip-version-check --only-binary :all: \
		--requirement test/e2e/requirements-prefect.txt --dest $@.new
	mv $@.new $@
	@touch $@

# What the agents of Prefect 1 install, by the pins that they get in their user data.
.venv-prefect1/ready: templates/constraints0.txt templates/constraints1.txt
	@rm -rf $(@D)
	@$(PYTHON39) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 9))' 2>/dev/null || \
		{ echo "The tests of Prefect 1 need Python 3.9: install it with pyenv or uv, or name one with PYTHON39=..." >&2; exit 1; }; \
	set -ex; $(PYTHON39) -m venv $(@D); \
	pip="$(@D)/bin/python -m pip download --quiet --disable-pip-version-check --only-binary :all:"; \
	$$pip --constraint templates/constraints0.txt 'prefect[aws]==0.14.22' --dest $(@D)/wheels-0.14.22; \
	$$pip --constraint templates/constraints1.txt 'prefect[aws]==1.4.1' --dest $(@D)/wheels-1.4.1; \
	touch $@
