package sim

import (
	"math/rand/v2"
	"time"
)

// A Policy is a limiter under test. It is called by one goroutine, in virtual time:
// it must not look at a clock, and needs no lock.
type Policy interface {
	// Arrive decides on a request that has come: it calls Start or Refuse of its Desk
	// for r, now or later.
	Arrive(now time.Duration, r *Request)

	// Leave tells that the caller of r, which waits, has gone: r must be forgotten.
	Leave(now time.Duration, r *Request)

	// Done tells that a request that was started has ended.
	Done(now time.Duration, r *Request, e End)
}

// A Desk is what a Policy has to work with.
type Desk interface {
	// Start has the server take r on. A request is started or refused once.
	Start(r *Request)

	// Refuse turns r away. A client that comes again does so after the given time, or,
	// if that is 0, when it likes.
	Refuse(r *Request, after time.Duration)

	// At has f called at the time t, or at once after this event if t has passed.
	At(t time.Duration, f func(now time.Duration))

	// InFlight returns how many requests the server has.
	InFlight() int

	// Rand returns random numbers for the Policy, which are the same in each run of a
	// seed, and are not those that the traffic is made of.
	Rand() *rand.Rand
}

// A Maker makes a Policy for one run.
type Maker struct {
	// Name is what tables and plots call the Policy.
	Name string

	// New returns a Policy that works with desk. The Model is for policies that have to
	// be told the capacity: one that finds out by itself leaves it alone.
	New func(desk Desk, m Model) Policy
}

// A Request is one attempt of a client's.
type Request struct {
	// Class says how important the request is: 0, the top class, to 3.
	Class int

	// Arrival is when it came.
	Arrival time.Duration

	// Deadline is when its caller leaves.
	Deadline time.Duration

	// Data is the Policy's own.
	Data any

	born    time.Duration // the first attempt's Arrival
	retries int           // how many more attempts may follow
	herd    bool
	work    float64 // seconds of work at full speed
	state   state
	left    bool    // the caller has gone
	target  float64 // the progress of the server at which the work is done
	start   time.Duration
}

type state uint8

const (
	undecided state = iota
	started
	decided // refused, or ended
)

// An End is how a request that was started came out.
type End struct {
	// Latency is the time from its start.
	Latency time.Duration

	// Failed says that the answer was an error. Servers of this package never fail.
	Failed bool

	// Canceled says that the caller had gone before the answer: it was waste.
	Canceled bool
}
