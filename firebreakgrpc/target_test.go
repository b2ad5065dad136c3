package firebreakgrpc

import (
	"strings"
	"testing"
)

// Behaviour 227: "Key normalisation: lower-case host, strip default port and trailing dot,
// cap length."
func TestA12_227_Endpoint(t *testing.T) {
	for target, want := range map[string]string{ //nolint:gosec // no secrets, but names of servers
		"payments":                           "payments",
		"payments:50051":                     "payments:50051",
		"Payments.:443":                      "payments",
		"payments.:50051":                    "payments:50051",
		"dns:///payments:50051":              "payments:50051",
		"dns:///Payments.Example.com.:443":   "payments.example.com",
		"dns://8.8.8.8/payments:50051":       "payments:50051",
		"dns:payments:50051":                 "payments:50051",
		"passthrough:///127.0.0.1:50051":     "127.0.0.1:50051",
		"passthrough:///[::1]:50051":         "[::1]:50051",
		"unix:///run/payments.sock":          "run/payments.sock",
		"unix:run/payments.sock":             "run/payments.sock",
		"unknown:///payments":                "unknown:///payments",
		"localhost:50051/path":               "localhost:50051/path",
		"":                                   "",
		"dns:///":                            "",
		"dns://authority":                    "authority",
		":::":                                "",
		strings.Repeat("x", maxTarget):       strings.Repeat("x", maxTarget),
		strings.Repeat("x", maxTarget+1):     tooLong,
		strings.Repeat("Ⱥ", maxTarget/2+1):   tooLong,
		"dns:///" + strings.Repeat("a", 260): strings.Repeat("a", 260),
	} {
		if got := endpoint(target); got != want {
			t.Errorf("endpoint(%q) = %q, want %q", target, got, want)
		}
	}
}

// Any target has one spelling, of bounded length.
func FuzzEndpoint(f *testing.F) {
	for _, target := range []string{"dns:///Payments.:443", "payments", "unix:run/x", ":443.:443", "dns:dns:dns:x", "\xff:\x00"} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got := endpoint(target)
		if len(got) > maxTarget {
			t.Errorf("endpoint(%q) has %d bytes, want at most %d", target, len(got), maxTarget)
		}
		upper := strings.ToUpper(got)
		if strings.Contains(got, ":") || strings.ToLower(upper) != got || len(upper) > maxTarget { //nolint:gocritic // EqualFold folds more letters than endpoint does
			return // it may begin with a scheme, or has letters that are not the same again
		}
		if inUpper := endpoint(upper); inUpper != endpoint(got) {
			t.Errorf("endpoint(%q) = %q, and in upper case %q", target, got, inUpper)
		}
	})
}
