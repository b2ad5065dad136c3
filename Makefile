# The modules are those of go.work.
MODULES = $(shell go list -m -f '{{.Dir}}')
LINT    = GOWORK=off go tool -modfile=$(CURDIR)/tools/go.mod golangci-lint
EACH    = set -e; for dir in $(MODULES); do echo "-- $$dir"; cd $$dir;

.DEFAULT_GOAL := help
.PHONY: help test race lint fmt tidy fuzz bench example gaps overload grpc lab docs ci

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## run all tests
	go test work

race: ## run all tests with the race detector
	go test -race work

lint: ## run golangci-lint over every module
	@status=0; $(EACH) $(LINT) run --config $(CURDIR)/.golangci.yml ./... || status=1; done; exit $$status

fmt: ## format the code and sort its imports
	@$(EACH) $(LINT) fmt --config $(CURDIR)/.golangci.yml; done

tidy: ## go mod tidy in every module
	@$(EACH) GOWORK=off go mod tidy; done

fuzz: ## run each fuzz target for FUZZTIME (20s)
	@$(EACH) $(CURDIR)/.ci/fuzz; done

bench: ## compare with other libraries, in about four minutes
	@cd bench && go run ./cmd/table

example: ## a third party that fails in every way, with firebreak and without
	go run ./examples/thirdparty

gaps: ## the auditor at work on a small service with missing timeouts
	go run ./examples/audit

overload: ## a server under more load than it can answer, with firebreak and without
	go run ./examples/overload

grpc: ## a gRPC server in trouble, with firebreak and with grpc-go's own means
	go run ./examples/grpc

lab: ## limiters of load under the same traffic, in virtual time
	go run ./bench/lab

docs: ## rewrite the code in README.md and docs from its sources
	go run ./internal/readmecheck -w

ci: ## all checks, as before a merge
	.ci/run
