// Package pq stands in for the driver of that name.
package pq
