// Package redis stands in for redigo.
package redis

import "time"

type Conn interface{ Do(command string) error }

type DialOption struct{}

func Dial(network, address string, options ...DialOption) (Conn, error) { return nil, nil }

func DialReadTimeout(d time.Duration) DialOption { return DialOption{} }

func DialWriteTimeout(d time.Duration) DialOption { return DialOption{} }
