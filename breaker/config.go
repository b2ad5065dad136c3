package breaker

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Defaults of Config.
const (
	DefaultWindow              = 30 * time.Second
	DefaultMinCalls            = 20
	DefaultFailureRatio        = 0.5
	DefaultConsecutiveFailures = 10
	DefaultOpenFor             = 5 * time.Second
	DefaultMaxOpenFor          = 60 * time.Second
	DefaultProbes              = 3
	DefaultProbeTimeout        = 10 * time.Second
	DefaultMaxHold             = 60 * time.Second
)

// NoHold is the MaxHold of a breaker that never holds calls off because a server
// asked for it.
const NoHold time.Duration = -1

// longestOpen bounds MaxOpenFor: for longer there is [Breaker.ForceOpen].
const longestOpen = 24 * time.Hour

// buckets is into how many parts the window is divided.
const buckets = 10

// Config configures a Breaker. Its zero value opens when half of at least 20
// calls of the last 30s failed, or 10 in a row.
type Config struct {
	// Window is the time whose calls are counted, 100ms to 1h. The default is 30s.
	// A call counts when it ends, so that a call may take longer than the window.
	Window time.Duration

	// MinCalls is from how many calls in the window on FailureRatio counts. The
	// default is 20: of fewer, half can fail by chance.
	MinCalls int

	// FailureRatio is the share of failures among the calls of Window at which
	// the breaker opens, over 0 and at most 1. The default is 0.5.
	FailureRatio float64

	// ConsecutiveFailures is the number of failures in a row at which the breaker
	// opens, however few or many the calls are. A row ends with a success, or when
	// no call begins for as long as Window. The default is 10.
	ConsecutiveFailures int

	// SlowAfter is from what time on an answer counts as a failure: a dependency
	// that takes ten times as long as it should is down for those who wait. It is
	// measured until the result begins; the caller gets it all the same. The
	// default is 0, never.
	SlowAfter time.Duration

	// FairTime is for how long a caller must wait before the end of the caller's own
	// deadline counts as a failure. The default is 0: it always does.
	FairTime time.Duration

	// OpenFor is how long the breaker stays open before it lets probes pass. It
	// doubles each time that the probes fail, up to MaxOpenFor, and is spread at
	// random by a fifth either way, so that clients do not probe together. The
	// defaults are 5s and 60s.
	OpenFor    time.Duration
	MaxOpenFor time.Duration

	// Probes is how many probes pass a half-open breaker; as many successes close
	// it. The default is 3.
	Probes int

	// ProbeTimeout is how long a probe may hold its place: one that has not
	// answered by then has failed, one whose result lasts longer has succeeded. The
	// default is 10s.
	ProbeTimeout time.Duration

	// MaxHold caps for how long an answer with Retry-After holds calls off. A call that
	// was under way and succeeds ends it. The default is 60s; [NoHold] is never.
	MaxHold time.Duration

	// OnStateChange, if not nil, is called after each change of state, in the
	// order of the changes and without a lock: it may use the Breaker. It runs in
	// the goroutine of a call, which waits for it, or in that of a timer.
	OnStateChange func(Change)
}

// Validate returns all that is wrong with cfg, or nil.
func (cfg Config) Validate() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	full := cfg.withDefaults()
	if full.Window < 100*time.Millisecond || full.Window > time.Hour {
		problem("Window is %v, want 100ms to 1h", full.Window)
	}
	if full.MinCalls < 1 || full.MinCalls > math.MaxInt32 {
		problem("MinCalls is %d, want 1 to %d", full.MinCalls, math.MaxInt32)
	}
	if !(full.FailureRatio > 0 && full.FailureRatio <= 1) {
		problem("FailureRatio is %v, want over 0 and at most 1", full.FailureRatio)
	}
	if full.ConsecutiveFailures < 1 || full.ConsecutiveFailures > math.MaxInt32 {
		problem("ConsecutiveFailures is %d, want 1 to %d", full.ConsecutiveFailures, math.MaxInt32)
	}
	if full.Probes < 1 || full.Probes > math.MaxInt32 {
		problem("Probes is %d, want 1 to %d", full.Probes, math.MaxInt32)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"SlowAfter", full.SlowAfter}, {"FairTime", full.FairTime}} {
		if d.value < 0 {
			problem("%s is %v, want 0 or more", d.field, d.value)
		}
	}
	if full.OpenFor <= 0 {
		problem("OpenFor is %v, want more than 0", full.OpenFor)
	}
	if full.MaxOpenFor < full.OpenFor || full.MaxOpenFor > longestOpen {
		problem("MaxOpenFor is %v, want at least OpenFor, %v, and at most %v", full.MaxOpenFor, full.OpenFor, longestOpen)
	}
	if full.ProbeTimeout <= 0 {
		problem("ProbeTimeout is %v, want more than 0", full.ProbeTimeout)
	}
	if full.MaxHold <= 0 && full.MaxHold != NoHold {
		problem("MaxHold is %v, want more than 0, or NoHold", full.MaxHold)
	}
	return errors.Join(problems...)
}

func (cfg Config) withDefaults() Config {
	cfg.Window = orDefault(cfg.Window, DefaultWindow)
	cfg.MinCalls = orDefault(cfg.MinCalls, DefaultMinCalls)
	cfg.FailureRatio = orDefault(cfg.FailureRatio, DefaultFailureRatio)
	cfg.ConsecutiveFailures = orDefault(cfg.ConsecutiveFailures, DefaultConsecutiveFailures)
	cfg.OpenFor = orDefault(cfg.OpenFor, DefaultOpenFor)
	cfg.MaxOpenFor = orDefault(cfg.MaxOpenFor, max(DefaultMaxOpenFor, cfg.OpenFor))
	cfg.Probes = orDefault(cfg.Probes, DefaultProbes)
	cfg.ProbeTimeout = orDefault(cfg.ProbeTimeout, DefaultProbeTimeout)
	cfg.MaxHold = orDefault(cfg.MaxHold, DefaultMaxHold)
	return cfg
}

func orDefault[T comparable](value, byDefault T) T {
	var zero T
	if value == zero {
		return byDefault
	}
	return value
}
