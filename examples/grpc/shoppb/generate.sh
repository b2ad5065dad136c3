#!/bin/sh
# Generates the Go code of shop.proto. It needs protoc (Debian: protobuf-compiler); Go
# builds the plugins.
set -eu
GOBIN=$(mktemp -d)
export GOBIN
trap 'rm -rf "$GOBIN"' EXIT
go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
cd ../../.. # the path from there is the name under which the descriptor is registered
PATH=$GOBIN:$PATH protoc --go_out=. --go_opt=paths=source_relative \
	--go-grpc_out=. --go-grpc_opt=paths=source_relative examples/grpc/shoppb/shop.proto
