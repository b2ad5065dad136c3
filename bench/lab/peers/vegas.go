package peers

import (
	"math"
	"math/rand/v2"
	"time"
)

// vegas is Netflix's VegasLimit with its defaults: at first 20, at most 1000, no
// smoothing. It estimates from the lowest latency so far how many requests queue, and
// moves the limit to keep that number between 3 and 6 times the logarithm of the limit
// to the base 10. After 15 to 30 times as many samples as the limit it takes the
// latency of the next as the lowest.
type vegas struct {
	limit, most float64
	lowest      time.Duration // or 0
	rand        *rand.Rand
	seen        int     // samples since the last probe
	jitter      float64 // of the next probe
}

func newVegas(most float64, r *rand.Rand) *vegas {
	v := &vegas{limit: 20, most: most, rand: r}
	v.resetJitter()
	return v
}

func (v *vegas) resetJitter() { v.jitter = 0.5 + v.rand.Float64()/2 }

func (v *vegas) current() int { return int(v.limit) }

func (v *vegas) add(_ time.Duration, s sample) {
	const probe = 30
	v.seen++
	if v.jitter*probe*v.limit <= float64(v.seen) {
		v.resetJitter()
		v.seen = 0
		v.lowest = s.latency
		return
	}
	if v.lowest == 0 || s.latency < v.lowest {
		v.lowest = s.latency
		return
	}
	step := netflixStep(v.limit)
	queued := int(math.Ceil(v.limit * (1 - float64(v.lowest)/float64(s.latency))))
	limit := v.limit
	switch {
	case s.dropped:
		limit -= float64(step)
	case float64(s.inFlight)*2 < v.limit:
		return
	case queued <= step:
		limit += float64(6 * step)
	case queued < 3*step:
		limit += float64(step)
	case queued > 6*step:
		limit -= float64(step)
	}
	v.limit = min(max(limit, 1), v.most)
}
