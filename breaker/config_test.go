package breaker_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/breaker"
)

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  breaker.Config
		want string // one problem a line
	}{
		{"Zero", breaker.Config{}, ""},
		{"Smallest", breaker.Config{
			Window: 100 * time.Millisecond, MinCalls: 1, FailureRatio: math.SmallestNonzeroFloat64, ConsecutiveFailures: 1,
			SlowAfter: 1, FairTime: 1, OpenFor: 1, MaxOpenFor: 1, Probes: 1, ProbeTimeout: 1, MaxHold: 1,
		}, ""},
		{"Largest", breaker.Config{
			Window: time.Hour, MinCalls: math.MaxInt32, FailureRatio: 1, ConsecutiveFailures: math.MaxInt32,
			SlowAfter: math.MaxInt64, FairTime: math.MaxInt64, OpenFor: 24 * time.Hour, Probes: math.MaxInt32, ProbeTimeout: math.MaxInt64, MaxHold: math.MaxInt64,
		}, ""},
		{"NoHold", breaker.Config{MaxHold: breaker.NoHold}, ""},
		{"LongOpenFor", breaker.Config{OpenFor: 2 * time.Minute}, ""}, // the default of MaxOpenFor grows with it
		{"Negative", breaker.Config{
			Window: -1, MinCalls: -1, FailureRatio: -0.5, ConsecutiveFailures: -1, SlowAfter: -time.Second, FairTime: -time.Second,
			OpenFor: -time.Second, MaxOpenFor: -time.Minute, Probes: -1, ProbeTimeout: -time.Second, MaxHold: -time.Second,
		}, `Window is -1ns, want 100ms to 1h
MinCalls is -1, want 1 to 2147483647
FailureRatio is -0.5, want over 0 and at most 1
ConsecutiveFailures is -1, want 1 to 2147483647
Probes is -1, want 1 to 2147483647
SlowAfter is -1s, want 0 or more
FairTime is -1s, want 0 or more
OpenFor is -1s, want more than 0
MaxOpenFor is -1m0s, want at least OpenFor, -1s, and at most 24h0m0s
ProbeTimeout is -1s, want more than 0
MaxHold is -1s, want more than 0, or NoHold`},
		{"TooLarge", breaker.Config{
			Window: time.Hour + 1, MinCalls: math.MaxInt32 + 1, FailureRatio: 50, ConsecutiveFailures: math.MaxInt32 + 1,
			OpenFor: 25 * time.Hour, Probes: math.MaxInt32 + 1,
		}, `Window is 1h0m0.000000001s, want 100ms to 1h
MinCalls is 2147483648, want 1 to 2147483647
FailureRatio is 50, want over 0 and at most 1
ConsecutiveFailures is 2147483648, want 1 to 2147483647
Probes is 2147483648, want 1 to 2147483647
MaxOpenFor is 25h0m0s, want at least OpenFor, 25h0m0s, and at most 24h0m0s`},
		{"NaN", breaker.Config{FailureRatio: math.NaN()}, `FailureRatio is NaN, want over 0 and at most 1`},
		{"Inf", breaker.Config{FailureRatio: math.Inf(1)}, `FailureRatio is +Inf, want over 0 and at most 1`},
		{"ShortWindow", breaker.Config{Window: 99 * time.Millisecond}, `Window is 99ms, want 100ms to 1h`},
		{"Contradiction", breaker.Config{OpenFor: 10 * time.Second, MaxOpenFor: 5 * time.Second},
			`MaxOpenFor is 5s, want at least OpenFor, 10s, and at most 24h0m0s`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.cfg.Validate(); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Validate of %+v (-want +got):\n%s", test.cfg, diff)
			}
			defer func() {
				err, _ := recover().(error)
				switch {
				case test.want == "" && err != nil:
					t.Errorf("New panics with %v", err)
				case test.want != "" && (err == nil || err.Error() != "breaker.New: "+test.want):
					t.Errorf("New panics with %v, want breaker.New: %s", err, test.want)
				}
			}()
			breaker.New(test.cfg)
		})
	}
}

func TestDefaults(t *testing.T) {
	if got, want := breaker.New(breaker.Config{}).Describe().Text, "breaker 0.5 of 30s"; got != want {
		t.Errorf("Describe says %q, want %q", got, want)
	}
	explicit := breaker.Config{
		Window: 30 * time.Second, MinCalls: 20, FailureRatio: 0.5, ConsecutiveFailures: 10, OpenFor: 5 * time.Second,
		MaxOpenFor: time.Minute, Probes: 3, ProbeTimeout: 10 * time.Second, MaxHold: time.Minute,
	}
	want := breaker.Config{
		Window: breaker.DefaultWindow, MinCalls: breaker.DefaultMinCalls, FailureRatio: breaker.DefaultFailureRatio,
		ConsecutiveFailures: breaker.DefaultConsecutiveFailures, OpenFor: breaker.DefaultOpenFor, MaxOpenFor: breaker.DefaultMaxOpenFor,
		Probes: breaker.DefaultProbes, ProbeTimeout: breaker.DefaultProbeTimeout, MaxHold: breaker.DefaultMaxHold,
	}
	if diff := cmp.Diff(want, explicit, cmp.Comparer(func(a, b func(breaker.Change)) bool { return a == nil && b == nil })); diff != "" {
		t.Errorf("defaults (-constants +documented):\n%s", diff)
	}
}

func TestStateString(t *testing.T) {
	var got []string
	for s := breaker.Closed; s <= breaker.ForcedClosed+1; s++ {
		got = append(got, s.String())
	}
	if got, want := strings.Join(got, " "), "closed open half-open forced-open forced-closed state(5)"; got != want {
		t.Errorf("states are %q, want %q", got, want)
	}
}

func TestErrOpenIsBare(t *testing.T) {
	if errors.Unwrap(breaker.ErrOpen) != nil {
		t.Error("ErrOpen wraps another error")
	}
}
