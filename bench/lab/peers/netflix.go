package peers

import (
	"math"
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// Gradient2 is a port of Gradient2Limit of Netflix's concurrency-limits, within its
// WindowedLimit, with the defaults of both, and the limiter with partitions that the
// server example of its README shows: nine tenths of the limit are guaranteed to the
// top class, one tenth to all others, and what is free may be used by any. There is
// no queue.
//
// Two bounds are set as a user would who knows the server: the least limit of 20 is
// lowered to the capacity, and the highest of 200 is raised to twice of it.
//
// An answer counts however it ended. Requests whose callers have gone count for
// nothing, as in the interceptor for gRPC, but keep their places until the work ends.
func Gradient2() sim.Maker {
	return sim.Maker{Name: "Gradient2", New: func(desk sim.Desk, m sim.Model) sim.Policy {
		c := float64(m.Knee())
		return newPartitioned(desk, &windowed{netflixLimit: newGradient2(min(20, c), max(200, 2*c))})
	}}
}

// Vegas is a port of VegasLimit of Netflix's concurrency-limits, the default of its
// limiters, with its defaults and the window, the partitions and the outcomes of
// [Gradient2]. Without a window it would learn from each answer, which is what the
// limiters do if nothing is said, but then it holds most servers at half of what they
// can do. Its highest limit of 1000 would be raised to twice the capacity.
func Vegas() sim.Maker {
	return sim.Maker{Name: "Vegas", New: func(desk sim.Desk, m sim.Model) sim.Policy {
		return newPartitioned(desk, &windowed{netflixLimit: newVegas(max(1000, 2*float64(m.Knee())), desk.Rand())})
	}}
}

// partitioned admits within a limit of Netflix's. A partition counts only when the
// limit is reached: it may then exceed it, up to its own share.
type partitioned struct {
	desk     sim.Desk
	limit    netflixLimit
	inFlight int
	top      partition
	rest     partition
	started  map[*sim.Request]int // how many were in flight then
}

type partition struct {
	share float64
	busy  int
}

func newPartitioned(desk sim.Desk, limit netflixLimit) *partitioned {
	return &partitioned{
		desk: desk, limit: limit, started: make(map[*sim.Request]int),
		top: partition{share: 0.9}, rest: partition{share: 0.1},
	}
}

func (p *partitioned) of(r *sim.Request) *partition {
	if r.Class == 0 {
		return &p.top
	}
	return &p.rest
}

func (p *partitioned) Arrive(_ time.Duration, r *sim.Request) {
	part, limit := p.of(r), p.limit.current()
	if own := max(1, int(math.Ceil(float64(limit)*part.share))); p.inFlight >= limit && part.busy >= own {
		p.desk.Refuse(r, 0)
		return
	}
	p.inFlight++
	part.busy++
	p.started[r] = p.inFlight
	p.desk.Start(r)
}

func (*partitioned) Leave(time.Duration, *sim.Request) {}

func (p *partitioned) Done(now time.Duration, r *sim.Request, e sim.End) {
	p.inFlight--
	p.of(r).busy--
	if !e.Canceled && e.Latency > 0 {
		p.limit.add(now, sample{latency: e.Latency, inFlight: p.started[r]})
	}
	delete(p.started, r)
}
