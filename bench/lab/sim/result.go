package sim

import (
	"sort"
	"time"
)

// A Result is how a Policy did in a run.
type Result struct {
	// Goodput is how many requests were answered before their callers left, as a share
	// of the ideal: what was asked for, but at most the capacity. Chance can bring it a
	// little over 1. A request counts for the time at which it came.
	Goodput float64

	// TopClass is the same of the requests of class 0, as if they came alone.
	TopClass float64

	// Shed is the share of the requests that were refused.
	Shed float64

	// Waste is the share of what the server did that was for callers who had left.
	Waste float64

	// Attempts is how often a client came until it was answered or gave up, on average:
	// one of the herd, if there is one.
	Attempts float64

	// HerdServed is how long it took until the last of the herd was answered, 0 if there
	// is no herd, or some of it were not.
	HerdServed time.Duration

	// Recovered says whether, and Recovery how long after the end of a disturbance, the
	// goodput came back for good: to 0.9 of the ideal in any three seconds that follow, and
	// to 0.95 on average. Of a disturbance that stays, the end is its beginning.
	Recovered bool
	Recovery  time.Duration

	// Series is how it went.
	Series []Point
}

// Step is the time from one Point of a Series to the next.
const Step = 100 * time.Millisecond

// A Point is what happened in one Step. Answers count for the time at which their
// request, and the first attempt of its client, came.
type Point struct {
	At       time.Duration // the beginning
	Offered  int           // clients that came, without a herd
	Good     int           // how many of them were answered in time
	Top      int           // clients of class 0, without a herd
	TopGood  int           // how many of them were answered in time
	Capacity float64       // how many requests the server could do
	Attempts int           // requests, with those that came again
	Refused  int           // how many of them were refused
	Limit    int           // at the end, of a Policy that tells, else 0
	InFlight int           // at the end
}

// Ideal returns how many of the clients could have been answered.
func (p Point) Ideal() float64 { return min(float64(p.Offered), p.Capacity) }

// Share returns the goodput as a share of the ideal, 1 if nobody came.
func (p Point) Share() float64 { return share(float64(p.Good), p.Ideal()) }

func share(part, whole float64) float64 {
	if whole == 0 {
		return 1
	}
	return part / whole
}

// Limiting is what a Policy has that tells its limit.
type Limiting interface {
	Limit() int
}

// Sum adds up the points of a series, in the order of time, from one time to another.
// Its At is the first.
func Sum(series []Point, from, to time.Duration) Point {
	sum := Point{At: from}
	first := sort.Search(len(series), func(i int) bool { return series[i].At >= from })
	for i := first; i < len(series) && series[i].At < to; i++ {
		p := &series[i]
		sum.Offered += p.Offered
		sum.Good += p.Good
		sum.Capacity += p.Capacity
		sum.Top += p.Top
		sum.TopGood += p.TopGood
		sum.Refused += p.Refused
		sum.Attempts += p.Attempts
		sum.Limit, sum.InFlight = p.Limit, p.InFlight
	}
	return sum
}
