package firebreakhttp

import (
	"math"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// dumbRetryAfter is Retry-After without a thought of how long numbers may be: it
// returns nanoseconds, or nil if the header says nothing.
func dumbRetryAfter(value, date string, now time.Time) *big.Int {
	if value == "" {
		return nil
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, _ := new(big.Int).SetString(value, 10)
		return seconds.Mul(seconds, big.NewInt(int64(time.Second)))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return nil
	}
	if sent, err := http.ParseTime(date); err == nil {
		now = sent
	}
	nanos := func(t time.Time) *big.Int {
		n := big.NewInt(t.Unix())
		n.Mul(n, big.NewInt(int64(time.Second)))
		return n.Add(n, big.NewInt(int64(t.Nanosecond())))
	}
	d := nanos(at)
	if d.Sub(d, nanos(now)); d.Sign() <= 0 {
		return nil
	}
	return d
}

// FuzzRetryAfter holds behaviours 89 to 93: what is valid is a minimum, that is
// never negative and never overflows; what is not says nothing.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{
		"", "0", "7", "007", "9223372036", "9223372037", "9223372036854775807", "99999999999999999999999", "-5", "+5", "1.5", "1e9", " 5", "5 ",
		"Fri, 31 Dec 9999 23:59:59 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
		"Mon, 01 Jan 0001 00:00:00 GMT", "soon", "\u0665",
	} {
		for _, date := range []string{"", "Sun, 06 Nov 1994 08:49:07 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "yesterday"} {
			f.Add(value, date, int64(784111747))
		}
	}
	f.Fuzz(func(t *testing.T, value, date string, unix int64) {
		now := time.Unix(unix%(1<<40), 0)
		h := http.Header{"Retry-After": {value}, "Date": {date}}
		got, ok := retryAfter(h, now)
		want := dumbRetryAfter(value, date, now)
		if ok != (want != nil) {
			t.Fatalf("Retry-After %q, Date %q at %v: %v, %v, want valid: %v", value, date, now, got, ok, want != nil)
		}
		if want == nil {
			if got != 0 {
				t.Fatalf("Retry-After %q, Date %q at %v: %v, want 0 for what says nothing", value, date, now, got)
			}
			return
		}
		most := big.NewInt(math.MaxInt64)
		if want.Cmp(most) > 0 { // the longest duration, in whole seconds or not
			if got < math.MaxInt64-time.Second {
				t.Fatalf("Retry-After %q, Date %q at %v: %v, want the longest duration", value, date, now, got)
			}
			return
		}
		if want.Cmp(big.NewInt(int64(got))) != 0 {
			t.Fatalf("Retry-After %q, Date %q at %v: %d, want %v", value, date, now, got, want)
		}
	})
}

// Behaviour 227: "Key normalisation: lower-case host, strip default port and
// trailing dot, cap length. T: same policy for Example.com:443 and example.com."
func TestA12_227_Target(t *testing.T) {
	long := strings.Repeat("a", maxTarget)
	for _, tt := range []struct{ scheme, host, want string }{
		{"https", "example.com", "example.com"},
		{"https", "Example.COM", "example.com"},
		{"https", "example.com:443", "example.com"},
		{"https", "Example.com.:443", "example.com"},
		{"https", "example.com.", "example.com"},
		{"https", "example.com..:443", "example.com"},
		{"https", "example.com:", "example.com"},
		{"https", "example.com.:", "example.com"},
		{"https", "example.com:8443", "example.com:8443"},
		{"https", "example.com.:8443", "example.com:8443"},
		{"https", "example.com:80", "example.com:80"},
		{"http", "example.com:80", "example.com"},
		{"http", "example.com:443", "example.com:443"},
		{"http", "example.com:8080", "example.com:8080"},
		{"http", "127.0.0.1:80", "127.0.0.1"},
		{"https", "[::1]:443", "[::1]"},
		{"https", "[2001:DB8::443]", "[2001:db8::443]"},
		{"https", "[2001:DB8::1]:8443", "[2001:db8::1]:8443"},
		{"http", "[fe80::1%25eth0]:80", "[fe80::1%25eth0]"},
		{"https", "BÜCHER.example", "bücher.example"},
		{"https", "", ""},
		{"https", long, long},
		{"https", long + "a", tooLong},
		{"https", strings.Repeat("Ⱥ", maxTarget/2), tooLong}, // a letter that is longer in lower case
	} {
		if got := target(&url.URL{Scheme: tt.scheme, Host: tt.host}); got != tt.want {
			t.Errorf("target(%s://%s) = %q, want %q", tt.scheme, tt.host, got, tt.want)
		}
	}
}

// FuzzTarget holds behaviour 227 for hosts that nobody thought of: the target is
// lower case and bounded, and a target's target is itself.
func FuzzTarget(f *testing.F) {
	for _, host := range []string{
		"example.com", "Example.com.:443", "example.com:80:80", "a.:.:80", "a:80.", "..", "::80", "[::1]:80", "[::1].", "[", "]:80", ":", "Ⱥ", "\xff", "İ.com", "",
	} {
		f.Add("http", host)
		f.Add("https", host)
	}
	f.Fuzz(func(t *testing.T, scheme, host string) {
		got := target(&url.URL{Scheme: scheme, Host: host})
		if len(got) > maxTarget {
			t.Fatalf("target(%q, %q) has %d bytes, want at most %d", scheme, host, len(got), maxTarget)
		}
		if lower := strings.ToLower(got); got != lower {
			t.Fatalf("target(%q, %q) = %q, want it in lower case: %q", scheme, host, got, lower)
		}
		if again := target(&url.URL{Scheme: scheme, Host: got}); again != got {
			t.Fatalf("target(%q, %q) = %q, whose target is %q, want itself", scheme, host, got, again)
		}
		if strings.HasSuffix(got, ".") || scheme == "https" && strings.HasSuffix(got, ":443") || scheme == "http" && strings.HasSuffix(got, ":80") {
			t.Fatalf("target(%q, %q) = %q, want it without the usual port and a dot at the end", scheme, host, got)
		}
		if upper := target(&url.URL{Scheme: scheme, Host: strings.ToUpper(got)}); isASCII(got) && upper != got {
			t.Fatalf("target(%q, %q) = %q, but %q in upper case", scheme, host, got, upper)
		}
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
