package firebreakhttp

import (
	"math"
	"net/http"
	"time"
)

// retryAfter returns how long the server asks to wait: Retry-After of RFC 9110,
// 10.2.3, in seconds or as a date. A date is measured against the response's own
// Date, so that the clocks need not agree, or else against now. What is not valid,
// and a date in the past, says nothing.
func retryAfter(h http.Header, now time.Time) (d time.Duration, ok bool) {
	value := h.Get("Retry-After")
	if value == "" {
		return 0, false
	}
	if seconds, ok := wholeSeconds(value); ok {
		return seconds, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if sent, err := http.ParseTime(h.Get("Date")); err == nil {
		now = sent
	}
	if d = at.Sub(now); d <= 0 {
		return 0, false
	}
	return d, true
}

// wholeSeconds reads 1*DIGIT. A number that is too large is the longest duration.
func wholeSeconds(value string) (time.Duration, bool) {
	const most = math.MaxInt64 / int64(time.Second)
	n := int64(0)
	for i := range len(value) {
		c := value[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n > most {
			n = most // 10*most+9 is still no overflow
		}
	}
	return time.Duration(n) * time.Second, true
}
