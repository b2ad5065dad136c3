// Package v1 stands in for a part of the API of Kubernetes.
package v1

type GetOptions struct{}
