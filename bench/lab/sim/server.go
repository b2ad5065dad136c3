package sim

import "time"

// server works on requests. Its progress is how much work each request has had that
// was there all the time, in seconds at full speed: the one whose target is the lowest
// is done next, at whatever speed.
type server struct {
	model    Model
	workers  int
	slower   float64 // what work is multiplied with that begins now
	progress float64
	as       time.Duration // progress is that of this time
	working  []*Request    // a heap, the lowest target first
	waiting  []*Request    // first in, first out from head on
	head     int
}

const idle = time.Duration(1<<63 - 1)

func (s *server) inFlight() int { return len(s.working) + len(s.waiting) - s.head }

// advance lets the work go on until now.
func (s *server) advance(now time.Duration) {
	if n := len(s.working); n > 0 {
		s.progress += (now - s.as).Seconds() * s.model.speed(n)
	}
	s.as = now
}

// next returns when the next request is done.
func (s *server) next() time.Duration {
	n := len(s.working)
	if n == 0 {
		return idle
	}
	rest := max(s.working[0].target-s.progress, 0) / s.model.speed(n)
	return s.as + time.Duration(rest*float64(time.Second)) + 1
}

func (s *server) take(now time.Duration, r *Request) {
	if len(s.working) >= s.workers {
		s.waiting = append(s.waiting, r)
		return
	}
	s.advance(now)
	s.work(r)
}

// resume puts those to work who wait and for whom there are workers.
func (s *server) resume() {
	for len(s.working) < s.workers && s.head < len(s.waiting) {
		s.work(s.waiting[s.head])
		s.waiting[s.head] = nil
		s.head++
	}
	if s.head == len(s.waiting) {
		s.waiting, s.head = s.waiting[:0], 0
	} else if s.head > 1024 && s.head > len(s.waiting)/2 {
		s.waiting, s.head = append(s.waiting[:0], s.waiting[s.head:]...), 0
	}
}

func (s *server) work(r *Request) {
	r.target = s.progress + r.work*s.slower
	s.working = append(s.working, r)
	h, i := s.working, len(s.working)-1
	for i > 0 {
		up := (i - 1) / 2
		if h[up].target <= r.target {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = r
}

// finish takes out the request that is done at now, if there is one.
func (s *server) finish(now time.Duration) *Request {
	s.advance(now)
	h := s.working
	if len(h) == 0 || h[0].target > s.progress {
		return nil
	}
	done, last, n := h[0], h[len(h)-1], len(h)-1
	h[n] = nil
	h = h[:n]
	s.working = h
	if n > 0 {
		i := 0
		for {
			down := 2*i + 1
			if down >= n {
				break
			}
			if down+1 < n && h[down+1].target < h[down].target {
				down++
			}
			if h[down].target >= last.target {
				break
			}
			h[i] = h[down]
			i = down
		}
		h[i] = last
	}
	s.resume()
	return done
}
