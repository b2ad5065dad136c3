package deadline

import (
	"cmp"
	"slices"
	"time"
)

// SchemaVersion is the version of the JSON form of a [Report]. Fields may be added
// without a new one.
const SchemaVersion = 1

// A Report is what an [Auditor] knows at one moment. Its JSON form is that of the
// report page, and what firebreak-audit merges with what it found in the source.
type Report struct {
	SchemaVersion int       `json:"schema_version"`
	Program       string    `json:"program"` // import path
	Time          time.Time `json:"time"`
	Since         time.Time `json:"since"` // when the Auditor was made
	Level         Level     `json:"level"`

	StuckAfter time.Duration `json:"stuck_after_ns"` // Config.StuckAfter

	// Operations are the kinds of calls that were seen, by name.
	Operations []Operation `json:"operations"`

	// Sites are where calls were made without a deadline, the worst first: what has
	// a call that is stuck, then what lasted longest, then what was called most. Those
	// by design are the last.
	Sites []Site `json:"sites"`

	// Stuck are the calls without a deadline that are in flight for StuckAfter and
	// more, the oldest first, up to a hundred, but for those by design; StuckCalls is
	// how many there are.
	Stuck      []Call `json:"stuck"`
	StuckCalls int    `json:"stuck_calls"`

	// EvictedSites is how many sites made room for others. What they had counted is in
	// the sites that are Rest, as are the calls for whose sites there was no room.
	EvictedSites int `json:"evicted_sites"`
}

// An Operation is a kind of call.
type Operation struct {
	Op        string `json:"op"`
	Calls     int64  `json:"calls"`     // with a deadline and without
	Unbounded int64  `json:"unbounded"` // without, but for those by design
	Declared  int64  `json:"declared"`  // without by design
}

// A Site is where calls were made without a deadline.
type Site struct {
	ID     string `json:"id"` // the same in every process that runs the same source
	Op     string `json:"op"`
	Reason string `json:"reason,omitempty"` // why there is no deadline by design
	Rest   bool   `json:"rest,omitempty"`   // all sites of Op for which there was no room
	Route  string `json:"route,omitempty"`  // pattern of the route, of what a server serves

	// Frames are the first that are of the service itself: of no package that only
	// passes calls on. The first made the call. Of a Route it is the handler.
	Frames []Frame `json:"frames"`

	// Stack is the whole stack of the first call, or nil for a Route.
	Stack []Frame `json:"stack,omitempty"`

	// Targets are whom it called, the first few; OtherTargets is how often it called
	// others.
	Targets      []Target `json:"targets,omitempty"`
	OtherTargets int64    `json:"other_targets,omitempty"`

	Calls       int64 `json:"calls"`                  // without a deadline
	GotDeadline int64 `json:"got_deadline,omitempty"` // of which Enforce gave one
	Refused     int64 `json:"refused,omitempty"`      // of which were not made
	WereStuck   int64 `json:"were_stuck,omitempty"`   // of which were in flight for too long

	InFlight        int64         `json:"in_flight"`
	LongestInFlight time.Duration `json:"longest_in_flight_ns,omitempty"` // of those
	Longest         time.Duration `json:"longest_ns"`                     // of those that are over
	Durations       []Bucket      `json:"durations,omitempty"`            // of those that are over

	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`          // when the last call began
	TraceID   string    `json:"trace_id,omitempty"` // of one of the calls
}

// A Target is whom a site calls.
type Target struct {
	Target string `json:"target"`
	Calls  int64  `json:"calls"`
}

// A Call is one that is in flight.
type Call struct {
	Site   string        `json:"site"` // its ID
	Op     string        `json:"op"`
	Target string        `json:"target,omitempty"`
	For    time.Duration `json:"for_ns"`
	At     string        `json:"at,omitempty"` // the first frame of the site
}

// maxStuck is how many calls that are stuck are listed one by one.
const maxStuck = 100

// Report returns what a knows now.
func (a *Auditor) Report() Report {
	now := a.now()
	r := Report{
		SchemaVersion: SchemaVersion, Program: mainPackage(), Time: a.start.Add(now), Since: a.start,
		Level: a.cfg.Level, StuckAfter: a.cfg.StuckAfter,
		Operations: []Operation{}, Sites: []Site{}, Stuck: []Call{}, // none is no null in JSON
	}
	a.mu.Lock()
	sites := make([]*site, 0, len(a.sites))
	for _, s := range a.sites {
		sites = append(sites, s)
	}
	r.EvictedSites = a.evicted
	a.mu.Unlock()
	operations := a.operations.all()
	for _, o := range operations {
		for _, rest := range []*site{o.rest.Load(), o.declared.Load()} {
			if rest != nil {
				sites = append(sites, rest)
			}
		}
	}
	flying := a.aloft(now)
	counts := make(map[*operation]Operation)
	for _, s := range sites {
		calls := s.calls.Load()
		if calls == 0 && flying[s].oldest < a.cfg.StuckAfter {
			continue // reads that are fast, say
		}
		c := counts[s.op]
		if s.reason == "" {
			c.Unbounded += calls
		} else {
			c.Declared += calls
		}
		counts[s.op] = c
		r.Sites = append(r.Sites, s.report(flying[s]))
	}
	slices.SortFunc(r.Sites, worse(a.cfg.StuckAfter))
	r.listOperations(operations, counts)
	a.listStuck(&r, now)
	return r
}

// aloft is what a site has in flight.
type aloft struct {
	calls  int64
	oldest time.Duration // for how long
}

// aloft returns what the sites have in flight.
func (a *Auditor) aloft(now time.Duration) map[*site]aloft {
	of := make(map[*site]aloft)
	a.see(func(f *flight) bool {
		s := of[f.site]
		of[f.site] = aloft{s.calls + 1, max(s.oldest, now-f.start)}
		return false
	})
	return of
}

func (r *Report) listOperations(operations []*operation, counts map[*operation]Operation) {
	for _, o := range operations {
		c := counts[o]
		c.Op, c.Calls = o.name, o.calls.Load()
		if c.Calls > 0 {
			r.Operations = append(r.Operations, c)
		}
	}
	slices.SortFunc(r.Operations, func(o, p Operation) int { return cmp.Compare(o.Op, p.Op) })
}

func (a *Auditor) listStuck(r *Report, now time.Duration) {
	stuck := a.see(func(f *flight) bool { return f.site.reason == "" && now-f.start >= a.cfg.StuckAfter })
	r.StuckCalls = len(stuck)
	slices.SortFunc(stuck, func(f, g flight) int { return cmp.Compare(f.start, g.start) })
	for _, f := range stuck[:min(len(stuck), maxStuck)] {
		c := Call{Site: f.site.name(), Op: f.site.op.name, Target: clean(f.target), For: now - f.start}
		if frames := f.site.outside(); len(frames) > 0 {
			c.At = frames[0].String()
		}
		r.Stuck = append(r.Stuck, c)
	}
}

func (s *site) report(flying aloft) Site {
	start := s.auditor.start
	r := Site{
		ID: s.name(), Op: s.op.name, Reason: s.reason, Route: s.route,
		Rest:   s.op.rest.Load() == s || s.op.declared.Load() == s,
		Frames: s.outside(), Stack: framesOf(s.pcs),
		Calls: s.calls.Load(), GotDeadline: s.gotDeadline.Load(), Refused: s.refusals.Load(), WereStuck: s.stuck.Load(),
		InFlight: flying.calls, LongestInFlight: flying.oldest,
		Longest: time.Duration(s.took.longest.Load()), Durations: s.took.buckets(),
		FirstSeen: start.Add(s.first), LastSeen: start.Add(time.Duration(s.last.Load())),
	}
	if r.Frames == nil {
		r.Frames = []Frame{} // none is no null in JSON
	}
	r.Targets, r.OtherTargets = s.targets.report()
	if id := s.trace.Load(); id != nil {
		r.TraceID = id.String()
	}
	return r
}

// report returns the targets, those that are called most first.
func (t *targets) report() (list []Target, rest int64) {
	if known := t.list.Load(); known != nil {
		for _, target := range *known {
			if calls := target.calls.Load(); calls > 0 {
				list = append(list, Target{Target: clean(target.name), Calls: calls})
			}
		}
	}
	slices.SortFunc(list, func(t, u Target) int {
		return cmp.Or(cmp.Compare(u.Calls, t.Calls), cmp.Compare(t.Target, u.Target))
	})
	return list, t.rest.Load()
}

// worse compares sites, the worst first.
func worse(stuckAfter time.Duration) func(s, t Site) int {
	flag := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	return func(s, t Site) int {
		return cmp.Or(
			cmp.Compare(flag(s.Reason != ""), flag(t.Reason != "")),
			cmp.Compare(flag(t.LongestInFlight >= stuckAfter), flag(s.LongestInFlight >= stuckAfter)),
			cmp.Compare(max(t.Longest, t.LongestInFlight), max(s.Longest, s.LongestInFlight)),
			cmp.Compare(t.Calls, s.Calls),
			cmp.Compare(s.ID, t.ID),
		)
	}
}
