package breaker_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
)

// A model is a closed breaker as one would write it down: it keeps all votes and
// counts them anew each time.
type model struct {
	cfg    breaker.Config
	start  time.Time
	votes  []vote
	row    int
	failed time.Time // the last failure
}

type vote struct {
	part   time.Duration // of the window's tenths since the start, the number
	failed bool
}

func (m *model) part() time.Duration { return time.Since(m.start) / (m.cfg.Window / 10) }

func (m *model) admit() {
	if time.Since(m.failed) >= m.cfg.Window {
		m.row = 0
	}
}

// vote reports whether the breaker has to open.
func (m *model) vote(failed bool) (open bool) {
	m.votes = append(m.votes, vote{m.part(), failed})
	if !failed {
		m.row = 0
		return false
	}
	m.row++
	m.failed = time.Now()
	calls, failures := 0, 0
	for _, v := range m.votes {
		if v.part <= m.part()-10 {
			continue
		}
		calls++
		if v.failed {
			failures++
		}
	}
	return m.row >= m.cfg.ConsecutiveFailures || calls >= m.cfg.MinCalls && float64(failures)/float64(calls) >= m.cfg.FailureRatio
}

// TestCountsAsTheModelDoes compares a breaker with the model over random calls,
// some of them under way for long, and random waits.
func TestCountsAsTheModelDoes(t *testing.T) {
	openings := 0
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			cfg := breaker.Config{
				Window:              time.Duration(1+rng.IntN(60)) * time.Second,
				MinCalls:            1 + rng.IntN(30),
				FailureRatio:        float64(1+rng.IntN(10)) / 10,
				ConsecutiveFailures: 2 + rng.IntN(12),
			}
			openings += compare(t, seed, rng, cfg)
		})
	}
	if openings < 1000 {
		t.Errorf("the breakers opened %d times in all, want enough to compare", openings)
	}
}

// compare returns how often the breaker opened.
func compare(t *testing.T, seed uint64, rng *rand.Rand, cfg breaker.Config) (openings int) {
	t.Helper()
	b := breaker.New(cfg)
	m := &model{cfg: cfg, start: time.Now()}
	failing := rng.Float64()
	type attempt struct {
		done func(firebreak.Outcome)
		of   *model
	}
	var underWay []attempt
	var log strings.Builder
	for range 300 {
		if rng.IntN(4) == 0 {
			d := time.Duration(rng.Int64N(int64(cfg.Window) / 4))
			if rng.IntN(20) == 0 {
				d *= 8
			}
			time.Sleep(d)
			fmt.Fprintf(&log, "wait %v\n", d)
			continue
		}
		done, err := b.Allow(t.Context(), firebreak.Call{})
		if err != nil {
			t.Fatalf("seed %d: %v rejected a call: %v\n%s", seed, b.State(), err, log.String())
		}
		m.admit()
		underWay = append(underWay, attempt{done, m})
		if rng.IntN(8) == 0 {
			continue // it ends later
		}
		i := rng.IntN(len(underWay))
		a := underWay[i]
		underWay = append(underWay[:i], underWay[i+1:]...)
		want := breaker.Closed
		switch chance := rng.Float64(); {
		case chance < 0.1:
			log.WriteString("ignored\n")
			a.done(firebreak.Outcome{Class: firebreak.Ignored})
		case chance < 0.1+0.9*failing:
			fmt.Fprintf(&log, "failure (old: %t)\n", a.of != m)
			a.done(firebreak.Outcome{Class: firebreak.Failure, Err: errors.New("failed")})
			if a.of == m && m.vote(true) {
				want = breaker.Open
			}
		default:
			fmt.Fprintf(&log, "success (old: %t)\n", a.of != m)
			a.done(firebreak.Outcome{Class: firebreak.Success})
			if a.of == m {
				m.vote(false)
			}
		}
		if got := b.State(); got != want {
			t.Fatalf("seed %d, %+v: got %v, want %v after\n%s", seed, cfg, got, want, log.String())
		}
		if want == breaker.Open {
			openings++
			b.Reset()
			m = &model{cfg: cfg, start: time.Now()}
			log.Reset()
		}
	}
	return openings
}
