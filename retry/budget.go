package retry

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Defaults of BudgetConfig.
const (
	DefaultRatio     = 0.2
	DefaultWindow    = 10 * time.Second
	DefaultFloor     = 10
	DefaultFloorRate = 0.1
)

// BudgetConfig configures a Budget. Its zero value allows one retry for each five
// calls of the last 10s, and ten more, of which one grows back each 10s.
type BudgetConfig struct {
	// Ratio is how many retries each call pays for, over 0 and at most 1. The
	// default is 0.2: when everything fails, the dependency gets 1.2 times its
	// usual traffic instead of three times.
	Ratio float64

	// Window is for how long a call's payment may be used, to a tenth of it less,
	// 1s to 1h. The default is 10s: calls of good times do not pay for the retries
	// of an outage.
	Window time.Duration

	// Floor is how many retries a client may make that calls too rarely to pay for
	// them, up to 1,000. The default is 10.
	Floor int

	// FloorRate is how many retries per second the floor grows back by, over 0 and
	// at most 100. The default is 0.1.
	FloorRate float64
}

// Validate returns all that is wrong with cfg, or nil.
func (cfg BudgetConfig) Validate() error {
	var problems []error
	if cfg.Ratio != 0 && !(cfg.Ratio > 0 && cfg.Ratio <= 1) {
		problems = append(problems, fmt.Errorf("Ratio is %v, want over 0 and at most 1", cfg.Ratio))
	}
	if cfg.Window != 0 && (cfg.Window < time.Second || cfg.Window > time.Hour) {
		problems = append(problems, fmt.Errorf("Window is %v, want 1s to 1h", cfg.Window))
	}
	if cfg.Floor < 0 || cfg.Floor > 1000 {
		problems = append(problems, fmt.Errorf("Floor is %d, want 0 to 1000, where 0 stands for %d", cfg.Floor, DefaultFloor))
	}
	if cfg.FloorRate != 0 && !(cfg.FloorRate > 0 && cfg.FloorRate <= 100) {
		problems = append(problems, fmt.Errorf("FloorRate is %v, want over 0 and at most 100", cfg.FloorRate))
	}
	return errors.Join(problems...)
}

// A Budget bounds the retries of all calls to one dependency, where a number of
// attempts bounds those of one call only: with three attempts a call, a
// dependency that fails gets three times the traffic under which it failed.
// Give one Budget to several Retry policies if they call the same dependency. It
// is safe for concurrent use.
type Budget struct {
	start time.Time
	own   bool // of one Retry, which nobody else knows

	mu      sync.Mutex // guards account
	account account
}

// NewBudget returns a Budget with its floor full. It panics if cfg is not valid.
func NewBudget(cfg BudgetConfig) *Budget {
	if err := cfg.Validate(); err != nil {
		panic(fmt.Errorf("retry.NewBudget: %w", err))
	}
	cfg.Ratio = orDefault(cfg.Ratio, DefaultRatio)
	cfg.Window = orDefault(cfg.Window, DefaultWindow)
	cfg.Floor = orDefault(cfg.Floor, DefaultFloor)
	cfg.FloorRate = orDefault(cfg.FloorRate, DefaultFloorRate)
	return &Budget{start: time.Now(), account: newAccount(cfg)}
}

func orDefault[T comparable](value, byDefault T) T {
	var zero T
	if value == zero {
		return byDefault
	}
	return value
}

// deposit pays for a call.
func (b *Budget) deposit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.account.deposit(time.Since(b.start))
}

// withdraw takes a retry, if one is left.
func (b *Budget) withdraw() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.account.withdraw(time.Since(b.start))
}

// Available returns how many retries could be made at once.
func (b *Budget) Available() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return float64(b.account.available(time.Since(b.start))) / oneRetry
}

// rested reports whether the floor is full, as in a new Budget.
func (b *Budget) rested() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.account.rested(time.Since(b.start))
}
