package firebreakgrpc

import (
	"math"
	"strconv"
	"testing"
	"time"
)

// Rule 162: "Pushback: negative, unparsable or several values = stop".
func TestA9_162_Milliseconds(t *testing.T) {
	for _, test := range []struct {
		values []string
		want   time.Duration
		ok     bool
	}{
		{[]string{"0"}, 0, true},
		{[]string{"1500"}, 1500 * time.Millisecond, true},
		{[]string{"+5"}, 5 * time.Millisecond, true},
		{[]string{"4611686018427"}, 4611686018427 * time.Millisecond, true}, // the last before longest
		{[]string{"4611686018428"}, longest, true},
		{[]string{strconv.FormatInt(math.MaxInt64, 10)}, longest, true},
		{[]string{"99999999999999999999"}, longest, true},
		{[]string{"-99999999999999999999"}, 0, false},
		{[]string{"-1"}, 0, false},
		{[]string{"-0"}, 0, true},
		{[]string{""}, 0, false},
		{[]string{" 1"}, 0, false},
		{[]string{"1ms"}, 0, false},
		{[]string{"1", "1"}, 0, false},
		{nil, 0, false},
	} {
		if got, ok := milliseconds(test.values); got != test.want || ok != test.ok {
			t.Errorf("milliseconds(%q) = %v, %t, want %v, %t", test.values, got, ok, test.want, test.ok)
		}
	}
}

func FuzzMilliseconds(f *testing.F) {
	for _, value := range []string{"0", "1500", "-1", "soon", "9223372036854775807", "99999999999999999999"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		d, ok := milliseconds([]string{value})
		n, err := strconv.Atoi(value)
		if d < 0 || !ok && d != 0 {
			t.Errorf("milliseconds(%q) = %v, %t", value, d, ok)
		}
		if err == nil && (ok != (n >= 0) || n >= 0 && n < 1<<40 && d != time.Duration(n)*time.Millisecond) {
			t.Errorf("milliseconds(%q) = %v, %t", value, d, ok)
		}
	})
}
