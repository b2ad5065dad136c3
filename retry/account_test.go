package retry

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// defaults is the configuration of a Budget that names nothing.
var defaults = BudgetConfig{Ratio: DefaultRatio, Window: DefaultWindow, Floor: DefaultFloor, FloorRate: DefaultFloorRate}

// A step is one line of a script: at a time, some deposits, then withdrawals of
// which some are granted, then what is left.
type step struct {
	at       time.Duration
	deposits int
	asked    int
	granted  int
	left     float64
}

func TestAccount(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	for _, test := range []struct {
		name  string
		cfg   BudgetConfig
		steps []step
	}{
		{"a new one has its floor", defaults, []step{
			{at: 0, asked: 11, granted: 10, left: 0},
		}},
		{"five calls pay for a retry", defaults, []step{
			{at: 0, asked: 10, granted: 10, left: 0},
			{at: 0, deposits: 4, asked: 1, granted: 0, left: 0.8},
			{at: 0, deposits: 1, asked: 2, granted: 1, left: 0},
		}},
		{"deposits are spent before the floor", defaults, []step{
			{at: 0, deposits: 5, asked: 1, granted: 1, left: 10},
		}},
		{"deposits expire with the window, the floor does not", defaults, []step{
			{at: 0, deposits: 50, left: 20},
			{at: 10*s - 1, left: 20},
			{at: 10 * s, left: 10},
		}},
		{"deposits of one tenth of the window expire together", defaults, []step{
			{at: 999 * ms, deposits: 50, left: 20},
			{at: 10*s - 1, left: 20},
			{at: 10 * s, left: 10},
		}},
		{"and those of the next with the next", defaults, []step{
			{at: 999 * ms, deposits: 50, left: 20},
			{at: 1 * s, deposits: 50, left: 30},
			{at: 10 * s, left: 20},
			{at: 11*s - 1, left: 20},
			{at: 11 * s, left: 10},
		}},
		{"the oldest deposits are spent first", defaults, []step{
			{at: 0, deposits: 25, left: 15},
			{at: 5 * s, deposits: 25, left: 20},
			{at: 5 * s, asked: 5, granted: 5, left: 15},
			{at: 10 * s, left: 15}, // those of 5s are all there
			{at: 15 * s, left: 10},
		}},
		{"a retry may be paid from several tenths and the floor", defaults, []step{
			{at: 0, asked: 9, granted: 9, left: 1},
			{at: 0, deposits: 1, left: 1.2},
			{at: 1 * s, deposits: 2, asked: 1, granted: 1, left: 0.7}, // 0.2 + 0.4 + 0.4 of 1.1
			{at: 11 * s, left: 1.7},
		}},
		{"the floor grows back by one each ten seconds, and no further", defaults, []step{
			{at: 0, asked: 10, granted: 10, left: 0},
			{at: 10*s - 1, asked: 1, granted: 0, left: 0.999999},
			{at: 10 * s, asked: 2, granted: 1, left: 0},
			{at: 110*s - 1, left: 9.999999},
			{at: 110 * s, left: 10},
			{at: 1000 * s, left: 10},
		}},
		{"220: a year of idle", defaults, []step{
			{at: 0, deposits: 1_000_000, asked: 10, granted: 10, left: 200_000},
			{at: 365 * 24 * time.Hour, left: 10},
			{at: 365 * 24 * time.Hour, deposits: 5, asked: 12, granted: 11, left: 0},
			{at: 365*24*time.Hour + 10*s, asked: 2, granted: 1, left: 0},
		}},
		{"time that stands still or goes back makes nothing", defaults, []step{
			{at: 5 * s, deposits: 5, asked: 11, granted: 11, left: 0},
			{at: 5 * s, asked: 1, granted: 0, left: 0},
			{at: 5 * s, deposits: 5, left: 1},
		}},
		{
			"other settings", BudgetConfig{Ratio: 1, Window: time.Second, Floor: 1, FloorRate: 100},
			[]step{
				{at: 0, deposits: 3, asked: 5, granted: 4, left: 0},
				{at: 5 * ms, left: 0.5},
				{at: 10 * ms, asked: 2, granted: 1, left: 0},
				{at: 10 * ms, deposits: 1, left: 1},
				{at: 999 * ms, left: 2},
				{at: 1 * s, left: 1},
			},
		},
		{
			"a ratio too small for the unit still pays", BudgetConfig{Ratio: 1e-9, Window: time.Hour, Floor: 1, FloorRate: 1e-9},
			[]step{
				{at: 0, asked: 1, granted: 1, left: 0},
				{at: 0, deposits: 999_999, asked: 1, granted: 0, left: 0.999999},
				{at: 0, deposits: 1, asked: 1, granted: 1, left: 0},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAccount(test.cfg)
			for _, s := range test.steps {
				for range s.deposits {
					a.deposit(s.at)
				}
				granted := 0
				for range s.asked {
					if a.withdraw(s.at) {
						granted++
					}
				}
				if granted != s.granted {
					t.Errorf("at %v, after %d deposits: %d of %d withdrawals granted, want %d", s.at, s.deposits, granted, s.asked, s.granted)
				}
				if got := a.available(s.at); got != int64(math.Round(s.left*oneRetry)) {
					t.Errorf("at %v: %v left, want %v", s.at, float64(got)/oneRetry, s.left)
				}
			}
		})
	}
}

// The floor grows by the time that passed, however that is cut into calls: what is
// less than a unit is kept, and nothing is credited twice.
func TestAccountFloorGrowthIsExact(t *testing.T) {
	for _, rate := range []float64{0.000001, 0.1, 0.3, 1, 1.5, 3, 7.000001, 99.999999, 100} {
		for _, every := range []time.Duration{300, 700 * time.Nanosecond, time.Microsecond, 1001 * time.Nanosecond, 33333 * time.Nanosecond} {
			cfg := defaults
			cfg.Floor, cfg.FloorRate = 1000, rate
			a := newAccount(cfg)
			a.floor = 0 // all of it has been spent
			const n = 30_000
			for i := range n {
				a.advance(time.Duration(i+1) * every)
			}
			elapsed := (n * every).Microseconds()
			if want := int64(math.Round(rate*oneRetry)) * elapsed / 1_000_000; a.floor != want {
				t.Errorf("FloorRate %v: %d calls, one each %v, let the floor grow to %d, want %d", rate, n, every, a.floor, want)
			}
		}
	}
}

// dumbAccount does what account does with a list of all deposits and a floor in
// millionths of the unit: nothing is ever lost in it.
type dumbAccount struct {
	cfg      BudgetConfig
	deposits []dumbDeposit
	floor    int64 // in 1e-12 retries
	at       time.Duration
}

type dumbDeposit struct {
	at   time.Duration
	left int64
}

func (d *dumbAccount) advance(now time.Duration) {
	const full = int64(oneRetry) * 1_000_000
	d.floor += (now - d.at).Microseconds() * int64(math.Round(d.cfg.FloorRate*oneRetry))
	d.floor = min(d.floor, int64(d.cfg.Floor)*full)
	d.at = now
	// A deposit lives to the end of the tenth of the window that it was made in,
	// and nine tenths more: never longer than the window.
	tenth := d.cfg.Window / 10
	var alive []dumbDeposit
	for _, dep := range d.deposits {
		if now < dep.at.Truncate(tenth)+d.cfg.Window {
			alive = append(alive, dep)
		}
	}
	d.deposits = alive
}

func (d *dumbAccount) available(now time.Duration) int64 {
	d.advance(now)
	sum := d.floor / 1_000_000
	for _, dep := range d.deposits {
		sum += dep.left
	}
	return sum
}

func (d *dumbAccount) withdraw(now time.Duration) bool {
	if d.available(now) < oneRetry {
		return false
	}
	owed := int64(oneRetry)
	for i := range d.deposits {
		taken := min(d.deposits[i].left, owed)
		d.deposits[i].left -= taken
		owed -= taken
	}
	d.floor -= owed * 1_000_000
	return true
}

func randomConfig(r *rand.Rand) BudgetConfig {
	return BudgetConfig{
		Ratio:     []float64{0.2, 1, 0.01, 0.333333, r.Float64()}[r.IntN(5)],
		Window:    []time.Duration{time.Second, 10 * time.Second, 3 * time.Second, time.Hour}[r.IntN(4)],
		Floor:     1 + r.IntN(20),
		FloorRate: []float64{0.1, 1.5, 100, 0.000001, 10 * r.Float64()}[r.IntN(5)],
	}
}

// randomPause returns how long until the next step of a walk: often nothing, now
// and then longer than a window.
func randomPause(r *rand.Rand, window time.Duration) time.Duration {
	switch r.IntN(20) {
	case 0:
		return time.Duration(r.Int64N(int64(2 * window)))
	case 1, 2:
		return time.Duration(r.Int64N(int64(window / 5)))
	case 3, 4, 5, 6:
		return time.Duration(r.Int64N(int64(10 * time.Millisecond)))
	case 7, 8:
		return time.Duration(r.IntN(3000))
	default:
		return 0
	}
}

func TestAccountAgainstDumbModel(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		cfg := randomConfig(r)
		a, d := newAccount(cfg), &dumbAccount{cfg: cfg, floor: int64(cfg.Floor) * oneRetry * 1_000_000}
		now, granted, refused := time.Duration(0), 0, 0
		for i := range 1500 {
			now += randomPause(r, cfg.Window).Truncate(time.Microsecond) // the model knows no less
			switch {
			case r.IntN(3) > 0:
				a.deposit(now)
				d.advance(now)
				d.deposits = append(d.deposits, dumbDeposit{at: now, left: max(int64(math.Round(cfg.Ratio*oneRetry)), 1)})
			default:
				got, want := a.withdraw(now), d.withdraw(now)
				if got != want {
					t.Fatalf("seed %d, step %d, %+v: withdraw at %v is %t, want %t", seed, i, cfg, now, got, want)
				}
				if got {
					granted++
				} else {
					refused++
				}
			}
			if got, want := a.available(now), d.available(now); got != want {
				t.Fatalf("seed %d, step %d, %+v: available at %v is %d, want %d", seed, i, cfg, now, got, want)
			}
		}
		if granted == 0 {
			t.Errorf("seed %d, %+v: a walk without a retry (%d refused) shows nothing", seed, cfg, refused)
		}
	}
}

// The rule that the budget is there for: withdrawals never exceed deposits plus
// the floor plus its growth. In any stretch of time they do not exceed what the
// window before it left, either, which is what expiry is there for.
func TestAccountNeverPaysOutMoreThanCameIn(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		cfg := randomConfig(r)
		a := newAccount(cfg)
		var deposits []time.Duration
		var withdrawals []time.Duration
		now := time.Duration(0)
		for range 1000 {
			now += randomPause(r, cfg.Window)
			if r.IntN(2) == 0 {
				a.deposit(now)
				deposits = append(deposits, now)
				continue
			}
			for a.withdraw(now) { // as much as there is
				withdrawals = append(withdrawals, now)
			}
			if got := a.available(now); got < 0 || got >= oneRetry {
				t.Fatalf("seed %d, %+v: %d left at %v when all was taken, want 0 to %d", seed, cfg, got, now, oneRetry-1)
			}
		}
		perCall, perSecond := math.Round(cfg.Ratio*oneRetry), math.Round(cfg.FloorRate*oneRetry)
		for from := 0; from < len(withdrawals); from += 7 {
			paid := 0.0
			for _, at := range deposits {
				if at > withdrawals[from]-cfg.Window {
					paid += perCall
				}
			}
			span := now - withdrawals[from]
			most := paid + float64(cfg.Floor)*oneRetry + span.Seconds()*perSecond
			if got := float64(len(withdrawals)-from) * oneRetry; got > most+1 {
				t.Errorf("seed %d, %+v: %v withdrawn from %v to %v, want at most %v", seed, cfg, got, withdrawals[from], now, most)
			}
		}
		if len(withdrawals) == 0 {
			t.Errorf("seed %d, %+v: a walk without a retry shows nothing", seed, cfg)
		}
	}
}
