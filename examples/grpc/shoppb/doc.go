// Package shoppb is the service of examples/grpc: generated code, but for this file.
package shoppb

//go:generate sh generate.sh
