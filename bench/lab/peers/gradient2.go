package peers

import "time"

// gradient2 is Netflix's Gradient2Limit with its defaults: at first 20, at least 20
// and at most 200, smoothing 0.2, room for 4 to queue, and a baseline of about 600
// samples. The limit follows the ratio of the baseline to the latency of the sample,
// held between 0.5 and 1.
type gradient2 struct {
	limit, least, most float64
	baseline           average
}

func newGradient2(least, most float64) *gradient2 {
	return &gradient2{limit: 20, least: least, most: most, baseline: newAverage(600)}
}

func (g *gradient2) current() int { return int(g.limit) }

func (g *gradient2) add(_ time.Duration, s sample) {
	const (
		smoothing = 0.2
		queue     = 4
		drift     = 2   // the ratio from which the baseline is too high,
		decay     = 0.9 // and what it is multiplied with
	)
	latency := float64(s.latency)
	baseline := g.baseline.add(latency)
	if baseline/latency > drift {
		g.baseline.value *= decay
	}
	if float64(s.inFlight) < g.limit/2 {
		return
	}
	gradient := min(max(baseline/latency, 0.5), 1)
	limit := g.limit*gradient + queue
	limit = g.limit*(1-smoothing) + limit*smoothing
	g.limit = min(max(limit, g.least), g.most)
}
