# Only Go and Python 3 (3.10 or newer, with venv) are assumed; everything else is
# fetched at the versions that go.mod, tools/go.mod and requirements-dev.txt pin.
# Tests that also need root, systemd or Python 3.9 are skipped where these are not
# there; in CI that is a failure.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PYTHON  ?= python3

# Prefect 1 runs on no Python that a system still has: pyenv's 3.9, or any other.
HOMES    = $(PYENV_ROOT) $(HOME)/.pyenv $(shell getent passwd "$$(id -u)" | cut -d: -f6)/.pyenv
PYTHON39 ?= $(firstword $(wildcard $(addsuffix /versions/3.9.*/bin/python3.9,$(HOMES))) python3.9)

# The race detector needs a C compiler. Where there is none, Go turns cgo off and
# the tests run without it; .ci/run insists.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

export FLOWBED_TEST_VENV := $(CURDIR)/.venv
export FLOWBED_TEST_PREFECT := $(CURDIR)/.venv-prefect

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/flowbed
	@mkdir -p bin
	go build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/flowbed ./cmd/flowbed

.PHONY: demo
demo: build ## plan, build, look again and remove an environment in the embedded sandbox
	@docs/demo/run bin/flowbed

.PHONY: test
test: .venv/ready .venv-prefect/wheels .venv-prefect1/ready ## run every test, with the race detector
	go test $(RACE) -timeout 25m ./...

.PHONY: lint
lint: bin/golangci-lint ## check the format and lint
	@unformatted=$$(gofmt -l cmd provision templates); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w is due for:"; echo "$$unformatted"; exit 1; fi
	bin/golangci-lint run ./...

.PHONY: bench
bench: build .venv/ready ## measure the binary against moto, 50 ms away
	go run ./test/e2e/bench -binary bin/flowbed $(BENCH)

.PHONY: matrix
matrix: .venv/ready ## go through the whole crash and fault matrix, and write docs/fault-matrix.md
	go test ./test/faultmatrix -update
	FLOWBED_MATRIX=whole go test -timeout 60m -run TestCrashes ./test/e2e

.PHONY: docs
docs: ## write docs/spec.md, docs/permissions.md and the list of the sandbox's services
	go generate ./provision/sandbox
	go run ./provision/spec/gendoc
	go run ./provision/permissions/gendoc

.PHONY: golden
golden: .venv/ready ## rewrite the golden files from what the code does now
	go test $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -n1 dirname | sort -u) -update

.PHONY: clean
clean: ## remove what these targets made
	rm -rf bin .venv .venv-*

# The linter has a module file of its own, so that its dependencies are not ours.
bin/golangci-lint: tools/go.mod tools/go.sum
	@mkdir -p bin
	cd tools && go build -trimpath -ldflags "-s -w" -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# A virtual environment is made anew when its pins change: a half-updated one
# would test something that nobody wrote down.
define venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
		{ echo "The tests need Python 3.10 or newer; name one with PYTHON=..." >&2; exit 1; }
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
endef

.venv/ready: requirements-dev.txt
	$(venv)

# Virtual environments of single tests, which would not agree with the one above.
.venv-%/ready: test/e2e/requirements-%.txt
	$(venv)

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
	@if ! $(PYTHON39) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 9))' 2>/dev/null; then \
		echo "The tests of Prefect 1 need Python 3.9, and are left out; name one with PYTHON39=..." >&2; \
		test -z "$$CI"; exit; \
	fi; \
	set -ex; $(PYTHON39) -m venv $(@D); \
	pip="$(@D)/bin/python -m pip download --quiet --disable-pip-version-check --only-binary :all:"; \
	$$pip --constraint templates/constraints0.txt 'prefect[aws]==0.14.22' --dest $(@D)/wheels-0.14.22; \
	$$pip --constraint templates/constraints1.txt 'prefect[aws]==1.4.1' --dest $(@D)/wheels-1.4.1; \
	touch $@
