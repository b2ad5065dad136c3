package firebreakhttp

import (
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/internal/wiretime"
)

// dumbPatience reads one header without a thought of how long numbers may be: it returns
// nanoseconds, or nil if it says nothing.
func dumbPatience(name, value string) *big.Int {
	unit := time.Millisecond
	if name == grpcTimeoutHeader {
		if len(value) < 2 || len(value) > 9 {
			return nil
		}
		last := value[len(value)-1:]
		unit = map[string]time.Duration{
			"H": time.Hour, "M": time.Minute, "S": time.Second, "m": time.Millisecond, "u": time.Microsecond, "n": time.Nanosecond,
		}[last]
		value = value[:len(value)-1]
	}
	if unit == 0 || value == "" || strings.Trim(value, "0123456789") != "" {
		return nil
	}
	n, _ := new(big.Int).SetString(value, 10)
	n.Mul(n, big.NewInt(int64(unit)))
	if n.Sign() == 0 || n.Cmp(big.NewInt(wiretime.Longest)) > 0 {
		return nil
	}
	return n
}

// FuzzPatience holds behaviour 145: the earliest valid header counts, and none that is 0,
// negative, garbage or huge.
func FuzzPatience(f *testing.F) {
	for _, value := range []string{
		"", "0", "1", "007", "1500", "-5", "+5", "1.5", "1e9", " 5", "5 ", "1000000000000000000", "99999999999999999999999", "4611686018427", "4611686018428",
		"1S", "100m", "8H", "99999999H", "123456789n", "S", "1s", "1 S", "١", "1,2",
	} {
		f.Add(value, "250", "2S")
		f.Add("", value, "")
		f.Add("1000", "", value)
	}
	f.Fuzz(func(t *testing.T, ours, envoy, grpc string) {
		h := http.Header{TimeoutHeader: {ours}, envoyTimeoutHeader: {envoy}, grpcTimeoutHeader: {grpc}}
		var want *big.Int
		for name, values := range h {
			if d := dumbPatience(name, values[0]); d != nil && (want == nil || d.Cmp(want) < 0) {
				want = d
			}
		}
		got, ok := patience(h)
		if ok != (want != nil) || ok && big.NewInt(int64(got)).Cmp(want) != 0 {
			t.Fatalf("%q: got %v, %t, want %v", h, got, ok, want)
		}
	})
}
