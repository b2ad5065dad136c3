package deadline

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/firebreak-go/firebreak"
)

// Defaults of [Config].
const (
	DefaultMaxSites   = 1024
	DefaultStuckAfter = time.Minute
)

// Bounds of Config.MaxSites.
const (
	leastSites = 16
	mostSites  = 1 << 16
)

// Config configures an [Auditor]. Its zero value observes.
type Config struct {
	// Level is what happens to a call without a deadline. The default is [Observe].
	Level Level

	// Refuse has [Enforce] refuse calls without a deadline, with [ErrNoDeadline],
	// where it would give them one. What cannot be refused gets one all the same:
	// requests that come in, and connections that a database pool makes by itself.
	Refuse bool

	// DefaultDeadline is the time that [Enforce] gives to a call, to the end of its
	// result. The default is [firebreak.DefaultTimeout], 30s.
	DefaultDeadline time.Duration

	// StuckAfter is for how long a call without a deadline may be in flight before it
	// is reported as stuck. Reads and writes on connections of [Auditor.DialContext]
	// count only if they take as long. The default is a minute.
	StuckAfter time.Duration

	// MaxSites is how many call sites are kept, 16 to 65,536, of some 1 KiB each. Calls
	// of further sites count as one site for each operation; from time to time those
	// that were seen least make room. The default is 1,024.
	MaxSites int

	// Unbounded, if not nil, says which calls have no deadline by design: it returns
	// the reason, or "" for a call that should have one. It is asked at each call
	// without a deadline, where no context says so ([Unbounded]), by its operation,
	// such as "http.client", "http.server" or "sql.query", and its target: a host, the
	// pattern of a route. It must be fast and safe for concurrent use.
	Unbounded func(op, target string) (reason string)

	// Wrappers are import paths of packages that make calls for others: with the
	// packages below them they are no call site, which is then the code that uses them.
	// The standard library's, gRPC's, OpenTelemetry's and firebreak's own are known.
	Wrappers []string

	// Logger is where [Warn] logs. The default is [slog.Default] at the time.
	Logger *slog.Logger

	// MeterProvider is where firebreak.deadline.missing is counted. The default is
	// the global one.
	MeterProvider metric.MeterProvider
}

// Validate returns all problems of c, or nil.
func (c Config) Validate() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.Level < Observe || c.Level > Enforce {
		problem("Level is %d, want Observe, Warn or Enforce", c.Level)
	}
	if c.Refuse && c.Level != Enforce {
		problem("Refuse is true at the level %v, want the level enforce", c.Level)
	}
	if c.DefaultDeadline < 0 {
		problem("DefaultDeadline is %v, want more than 0, or 0 for %v", c.DefaultDeadline, firebreak.DefaultTimeout)
	}
	if c.StuckAfter < 0 {
		problem("StuckAfter is %v, want more than 0, or 0 for %v", c.StuckAfter, DefaultStuckAfter)
	}
	if c.MaxSites != 0 && (c.MaxSites < leastSites || c.MaxSites > mostSites) {
		problem("MaxSites is %d, want %d to %d, or 0 for %d", c.MaxSites, leastSites, mostSites, DefaultMaxSites)
	}
	for i, path := range c.Wrappers {
		if strings.Trim(path, "/") != path || path == "" {
			problem("Wrappers[%d] is %q, want an import path such as example.com/client", i, path)
		}
	}
	return errors.Join(problems...)
}

// withDefaults returns c with its defaults in the place of zeros.
func (c Config) withDefaults() Config {
	if c.DefaultDeadline == 0 {
		c.DefaultDeadline = firebreak.DefaultTimeout
	}
	if c.StuckAfter == 0 {
		c.StuckAfter = DefaultStuckAfter
	}
	if c.MaxSites == 0 {
		c.MaxSites = DefaultMaxSites
	}
	return c
}

// A Level is what an [Auditor] does about calls without a deadline.
type Level int

const (
	// Observe counts and reports them.
	Observe Level = iota

	// Warn logs each call site once as well, up to MaxSites of them, and once more when
	// a call of it is stuck.
	Warn

	// Enforce gives them a deadline as well, or with Config.Refuse refuses them.
	Enforce
)

// String returns the level in lower case: "observe", "warn", "enforce".
func (l Level) String() string {
	switch l {
	case Observe:
		return "observe"
	case Warn:
		return "warn"
	case Enforce:
		return "enforce"
	default:
		return fmt.Sprintf("level(%d)", int(l))
	}
}

// MarshalText returns what String does.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText sets l by its name, so that flag.TextVar and configuration files can.
func (l *Level) UnmarshalText(text []byte) error {
	for level := Observe; level <= Enforce; level++ {
		if string(text) == level.String() {
			*l = level
			return nil
		}
	}
	return fmt.Errorf("level is %q, want observe, warn or enforce", text)
}
