package retry

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
)

// Behaviour 98: "Jitter range: never negative, never above max (clamp after
// jitter)." And it is full: from 0 to the ceiling, evenly.
func TestA6_98_FullJitterStaysInItsRange(t *testing.T) {
	const base, limit, samples = 50 * time.Millisecond, 5 * time.Second, 10_000
	for n, ceiling := range []time.Duration{
		50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
		800 * time.Millisecond, 1600 * time.Millisecond, 3200 * time.Millisecond, limit, limit,
	} {
		lowest, highest, sum := time.Duration(math.MaxInt64), time.Duration(0), time.Duration(0)
		for range samples {
			b := FullJitter(base, limit)
			for range n {
				b.NextBackOff()
			}
			d := b.NextBackOff()
			lowest, highest, sum = min(lowest, d), max(highest, d), sum+d
		}
		if lowest < 0 || highest > ceiling {
			t.Errorf("wait %d is between %v and %v in %d samples, want between 0 and %v", n+1, lowest, highest, samples, ceiling)
		}
		// One sample in 100 is below, one above the outer hundredths: that none of
		// 10,000 is has a chance of 1 in 10^43. The mean strays by 0.3 % a sigma.
		if lowest > ceiling/100 || highest < ceiling-ceiling/100 {
			t.Errorf("wait %d is between %v and %v in %d samples, want it to reach from 0 to %v", n+1, lowest, highest, samples, ceiling)
		}
		if mean := sum / samples; mean < ceiling*48/100 || mean > ceiling*52/100 {
			t.Errorf("wait %d is %v in the mean, want about half of %v", n+1, mean, ceiling)
		}
	}
}

// Behaviour 96: "Exponent clamp; test n=1..200."
func TestA6_96_FullJitterGrowsNoFurtherThanItsLimit(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, 5 * time.Second, time.Hour, math.MaxInt64} {
		b := FullJitter(100*time.Millisecond, limit)
		for n := range 200 {
			if d := b.NextBackOff(); d < 0 || d > limit {
				t.Fatalf("limit %v: wait %d is %v, want 0 to the limit", limit, n+1, d)
			}
		}
	}
}

// Behaviour 97: "Jitter of 0: rand.Int64N(0) panics."
func TestA6_97_FullJitterOfNothing(t *testing.T) {
	for _, test := range []struct{ base, limit, want time.Duration }{
		{0, time.Second, 0},
		{0, 0, 0},
		{time.Second, 0, 0},
		{-time.Second, time.Second, 0},
		{time.Second, -time.Second, 0},
		{1, 1, 1},
		{time.Hour, time.Second, time.Second}, // the limit holds from the first wait on
	} {
		b := FullJitter(test.base, test.limit)
		for n := range 100 {
			if d := b.NextBackOff(); d < 0 || d > test.want {
				t.Fatalf("FullJitter(%v, %v): wait %d is %v, want 0 to %v", test.base, test.limit, n+1, d, test.want)
			}
		}
	}
}

func TestWaitsNext(t *testing.T) {
	const maxRetryAfter = time.Minute
	constant := func(d time.Duration) func() backoff.BackOff {
		return func() backoff.BackOff { return backoff.NewConstantBackOff(d) }
	}
	for _, test := range []struct {
		name          string
		newBackOff    func() backoff.BackOff
		maxRetryAfter time.Duration
		hint          time.Duration
		want          time.Duration
		ok            bool
	}{
		{"no hint", constant(time.Second), maxRetryAfter, 0, time.Second, true},
		{"95: the wait comes on top of a hint", constant(time.Second), maxRetryAfter, 10 * time.Second, 11 * time.Second, true},
		{"97: no backoff, no hint", func() backoff.BackOff { return &backoff.ZeroBackOff{} }, maxRetryAfter, 0, 0, true},
		{"92: a hint at the cap", constant(time.Second), maxRetryAfter, time.Minute, 61 * time.Second, true},
		{"92: a hint over the cap", constant(time.Second), maxRetryAfter, time.Minute + 1, 0, false},
		{"91: a hint of 292 years", constant(time.Second), maxRetryAfter, math.MaxInt64, 0, false},
		{"91: a sum over 292 years is not negative", constant(time.Second), math.MaxInt64, math.MaxInt64, math.MaxInt64, true},
		{"91: nor just at it", constant(time.Second), math.MaxInt64, math.MaxInt64 - time.Second, math.MaxInt64, true},
		{"stop", constant(backoff.Stop), maxRetryAfter, 0, 0, false},
		{"stop, whatever the hint", constant(backoff.Stop), maxRetryAfter, 10 * time.Second, 0, false},
		{"another wait below 0", constant(-time.Hour), maxRetryAfter, 0, 0, false},
	} {
		cfg := Config{NewBackOff: test.newBackOff, MaxRetryAfter: test.maxRetryAfter}.withDefaults()
		var w waits
		got, ok := w.next(&cfg, firebreak.Outcome{Class: firebreak.Overload, RetryAfter: test.hint})
		if got != test.want || ok != test.ok {
			t.Errorf("%s: next is %v, %t, want %v, %t", test.name, got, ok, test.want, test.ok)
		}
	}
}

// Rule 162: "Pushback ...: else exact wait, then backoff restarts."
func TestA9_162_ExactWaitAndThenFromTheBeginning(t *testing.T) {
	exactly := func(d time.Duration) firebreak.Outcome {
		return firebreak.Outcome{
			Class: firebreak.Overload, RetryAfter: d, Err: &firebreak.AttemptError{Err: errors.New("later"), RetryAfter: d, Exact: true},
		}
	}
	const base = 100 * time.Millisecond
	for name, newBackOff := range map[string]func() backoff.BackOff{
		"own": nil,
		"the user's": func() backoff.BackOff {
			return backoff.NewExponentialBackOff(backoff.WithInitialInterval(base), backoff.WithRandomizationFactor(0), backoff.WithMultiplier(1000))
		},
	} {
		cfg := Config{NewBackOff: newBackOff, MaxRetryAfter: time.Minute}
		if newBackOff == nil {
			cfg.BaseDelay, cfg.ThrottledBaseDelay = base, base
		}
		cfg = cfg.withDefaults()
		var w waits
		for range 10 {
			w.next(&cfg, firebreak.Outcome{Class: firebreak.Overload})
			w.next(&cfg, firebreak.Outcome{Class: firebreak.Failure})
		}
		for _, want := range []time.Duration{0, 3 * time.Second, time.Minute} {
			if got, ok := w.next(&cfg, exactly(want)); got != want || !ok {
				t.Errorf("%s: a wait of exactly %v is %v, %t", name, want, got, ok)
			}
		}
		if got, ok := w.next(&cfg, exactly(time.Minute+1)); ok {
			t.Errorf("%s: a wait over the cap is %v, want none", name, got)
		}
		for _, class := range []firebreak.Class{firebreak.Overload, firebreak.Failure} {
			w.next(&cfg, exactly(0))
			if got, ok := w.next(&cfg, firebreak.Outcome{Class: class}); !ok || got > base {
				t.Errorf("%s: the wait of a %v after that is %v, %t, want at most %v", name, class, got, ok, base)
			}
		}
	}
	stopping := Config{NewBackOff: func() backoff.BackOff { return &backoff.StopBackOff{} }}.withDefaults()
	if got, ok := new(waits).next(&stopping, exactly(time.Second)); ok {
		t.Errorf("a backoff that stops: next is %v, want the end", got)
	}
}

// Failures and overload are two series: what one did to the wait the other does not
// feel.
func TestWaitsOfFailureAndOverloadAreApart(t *testing.T) {
	cfg := Config{BaseDelay: 40 * time.Millisecond, ThrottledBaseDelay: 2 * time.Second, MaxDelay: time.Minute}.withDefaults()
	var highest [4]time.Duration
	for range 2000 {
		var w waits
		for i, class := range []firebreak.Class{firebreak.Failure, firebreak.Overload, firebreak.Failure, firebreak.Overload} {
			d, ok := w.next(&cfg, firebreak.Outcome{Class: class})
			if !ok {
				t.Fatalf("wait %d: the call must not go on, want it to", i+1)
			}
			highest[i] = max(highest[i], d)
		}
	}
	for i, ceiling := range []time.Duration{40 * time.Millisecond, 2 * time.Second, 80 * time.Millisecond, 4 * time.Second} {
		if highest[i] > ceiling || highest[i] < ceiling*9/10 {
			t.Errorf("wait %d reaches %v, want %v", i+1, highest[i], ceiling)
		}
	}
}
