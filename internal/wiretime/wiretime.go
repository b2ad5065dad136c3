// Package wiretime reads times as callers write them. It takes nothing for granted: who
// writes them may be hostile.
package wiretime

import (
	"math"
	"time"
)

// Longest is the longest time that counts: no monotonic clock runs so far.
const Longest = math.MaxInt64 / 2

// Milliseconds reads 1*DIGIT. It returns 0 if value is not valid.
func Milliseconds(value string) time.Duration { return times(value, time.Millisecond) }

// GRPC reads a time of the gRPC protocol over HTTP/2: up to eight digits and a unit. It
// returns 0 if value is not valid.
func GRPC(value string) time.Duration {
	n := len(value) - 1
	if n < 1 || n > 8 {
		return 0
	}
	switch digits := value[:n]; value[n] {
	case 'H':
		return times(digits, time.Hour)
	case 'M':
		return times(digits, time.Minute)
	case 'S':
		return times(digits, time.Second)
	case 'm':
		return times(digits, time.Millisecond)
	case 'u':
		return times(digits, time.Microsecond)
	case 'n':
		return times(digits, time.Nanosecond)
	default:
		return 0
	}
}

func times(digits string, unit time.Duration) time.Duration {
	n := int64(0)
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0
		}
		if n = n*10 + int64(c-'0'); n > Longest/int64(unit) {
			return 0
		}
	}
	return time.Duration(n) * unit
}
