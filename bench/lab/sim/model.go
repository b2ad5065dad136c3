package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// A Model is a server. It works on up to Workers requests at a time, the others wait
// in it, first in, first out. It never refuses, and it notices too late that a caller
// has gone: the work goes on, for nothing.
type Model struct {
	// Name is what tables and plots call it, and About what it stands for.
	Name, About string

	// Workers is how many requests it works on at a time, over 0.
	Workers int

	// Speed returns how fast each of n requests is worked on that are worked on at once:
	// 1 is the speed of one that is alone. It must not be 0. If it is nil they do not
	// hinder each other.
	Speed func(n int) float64

	// Work returns how long a request takes that is alone, in seconds: its mean is Mean.
	Work func(r *rand.Rand) float64
	Mean float64

	// Patience is after what time the callers leave.
	Patience time.Duration
}

// Knee returns the number of requests at work at which the server does the most. If
// several do, it is the lowest: more only wait for each other.
func (m Model) Knee() int {
	best, at := 0.0, 1
	for n := 1; n <= m.Workers; n++ {
		if done := float64(n) * m.speed(n); done > best*(1+1e-9) {
			best, at = done, n
		}
	}
	return at
}

// Capacity returns how many requests per second the server can do for good: those that
// it does with Knee of them at work. It is exact, not measured.
func (m Model) Capacity() float64 {
	n := m.Knee()
	return float64(n) * m.speed(n) / m.Mean
}

func (m Model) speed(n int) float64 {
	if m.Speed == nil {
		return 1
	}
	return m.Speed(n)
}

// Models returns the eight servers of the comparison.
func Models() []Model {
	const unlimited = 1 << 14
	return []Model{
		{
			Name: "pool", About: "16 workers, 10ms",
			Workers: 16, Work: LogNormal(0.010, 0.5), Mean: 0.010, Patience: time.Second,
		},
		{
			Name: "bimodal", About: "16 workers, 10ms, but 100ms for 5 % of the requests",
			Workers: 16, Work: bimodal, Mean: 0.0145, Patience: time.Second,
		},
		{
			Name: "shared CPU", About: "4 cores for all, 10ms of work: more at once are slower",
			Workers: unlimited, Speed: func(n int) float64 { return min(1, 4/float64(n)) },
			Work: LogNormal(0.010, 1), Mean: 0.010, Patience: time.Second,
		},
		{
			Name: "contention", About: "20ms, throughput falls from 44 at once on: Gunther's universal scalability law",
			Workers: unlimited, Speed: scalability(0.02, 0.0005),
			Work: LogNormal(0.020, 0.5), Mean: 0.020, Patience: time.Second,
		},
		{
			Name: "I/O-bound", About: "400 at once without conflict, 100ms",
			Workers: 400, Work: LogNormal(0.100, 0.3), Mean: 0.100, Patience: time.Second,
		},
		{
			Name: "tight", About: "16 workers, 10ms, callers leave after 2 × the 99th percentile",
			Workers: 16, Work: LogNormal(0.010, 0.5), Mean: 0.010, Patience: 54 * time.Millisecond,
		},
		{
			Name: "slow", About: "8 workers, 2s",
			Workers: 8, Work: LogNormal(2, 0.5), Mean: 2, Patience: 30 * time.Second,
		},
		{
			Name: "single", About: "1 worker, 20ms",
			Workers: 1, Work: LogNormal(0.020, 0.5), Mean: 0.020, Patience: time.Second,
		},
	}
}

// Loads returns the loads of the comparison, in multiples of the capacity.
func Loads() []float64 { return []float64{0.5, 0.8, 0.9, 1, 1.5, 2, 5, 10} }

// LogNormal returns work with a mean in seconds, and the ratio of its standard
// deviation to the mean.
func LogNormal(mean, variation float64) func(*rand.Rand) float64 {
	variance := math.Log1p(variation * variation)
	mu, sigma := math.Log(mean)-variance/2, math.Sqrt(variance)
	return func(r *rand.Rand) float64 { return math.Exp(mu + sigma*r.NormFloat64()) }
}

func bimodal(r *rand.Rand) float64 {
	if r.Float64() < 0.05 {
		return 0.100
	}
	return 0.010
}

// scalability is Neil Gunther's law of throughput under contention and crosstalk, for
// each of n.
func scalability(contention, crosstalk float64) func(int) float64 {
	return func(n int) float64 {
		others := float64(n - 1)
		return 1 / (1 + contention*others + crosstalk*float64(n)*others)
	}
}
