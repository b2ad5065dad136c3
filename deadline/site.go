package deadline

import (
	"cmp"
	"hash/fnv"
	"hash/maphash"
	"io"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/firebreak-go/firebreak/internal/stack"
)

// A site is where calls without a deadline come from. Its pointer may be used after it
// was given up; what is counted then is lost.
type site struct {
	auditor *Auditor
	op      *operation
	id      uint64
	reason  string    // why its calls have no deadline by design, or ""
	pcs     []uintptr // the stack of the first call
	route   string    // that a server serves; then there is no stack that would say anything
	frames  []Frame   // of that: the handler, if it is known
	bare    bool      // nothing on the stack is of the service itself
	first   time.Duration

	calls, gotDeadline, refusals atomic.Int64 // without a deadline; of which got one, and were refused
	stuck                        atomic.Int64 // that were in flight for too long
	last                         atomic.Int64 // when the last one began
	took                         histogram    // those that are over
	targets                      targets

	logged, loggedStuck atomic.Bool
	nextEvent           atomic.Int64 // when a span may be told again
	trace               atomic.Pointer[trace.TraceID]
}

// oncePer is how often a span is told of a site, and sites make room for others.
const oncePer = time.Minute

// variants is how many ways of looking like a site are kept for each, on average: with
// frames of different libraries in between.
const variants = 4

// lookFor is one in how many calls the site is looked for when there is no room.
const lookFor = 16

// site returns the site of a call, whose first frames are pcs.
func (a *Auditor) site(o *operation, reason string, pcs []uintptr) *site {
	key := keyOf(o, reason)
	for _, pc := range pcs {
		key = mix(key, uint64(pc))
	}
	found := a.known.Load().get(key)
	if found == deeper {
		return a.deepSite(key, o, reason)
	}
	if found != nil {
		return found
	}
	if !a.mayLearn() {
		return a.rest(o, reason)
	}
	if len(pcs) == cap(pcs) && !a.tellsApart(len(pcs)) {
		a.mu.Lock()
		a.known.Load().put(key, deeper)
		a.mu.Unlock()
		return a.deepSite(key, o, reason)
	}
	return a.newSite(key, o, reason)
}

// deeper stands in the table where the first frames are those of libraries, and do not
// tell call sites apart.
var deeper = new(site)

// enoughFrames is how many of the first frames have to be of the service itself.
const enoughFrames = siteFrames / 2

// tellsApart reports whether enough of the first frames, of a stack that goes on, is of
// the service itself.
func (a *Auditor) tellsApart(first int) bool {
	var deep [deepFrames]uintptr
	frames, bare := a.outside(framesOf(slices.Clone(deep[:runtime.Callers(3, deep[:first])]))) // what it keeps is not on this stack
	return !bare && len(frames) >= enoughFrames
}

// deepSite is site by all frames that there may be.
func (a *Auditor) deepSite(key uint64, o *operation, reason string) *site {
	var pcs [maxFrames]uintptr
	for _, pc := range pcs[:stack.Callers(pcs[:])] {
		key = mix(key, uint64(pc))
	}
	if found := a.known.Load().get(key); found != nil {
		return found
	}
	if !a.mayLearn() {
		return a.rest(o, reason)
	}
	return a.newSite(key, o, reason)
}

// newSite returns the site whose stack this is, and finds it by key from now on.
func (a *Auditor) newSite(key uint64, o *operation, reason string) *site {
	var deep [deepFrames]uintptr
	pcs := visible(deep[:runtime.Callers(3, deep[:])])
	frames, bare := a.outside(framesOf(pcs))
	return a.learn(key, &site{op: o, reason: reason, pcs: pcs, bare: bare}, frames)
}

// routeSite returns the site of requests that a server gets: their route, as no stack
// shows who serves them.
func (a *Auditor) routeSite(o *operation, reason, route string, served func() []Frame) *site {
	key := mix(keyOf(o, reason), maphash.String(a.operations.seed, route))
	if found := a.known.Load().get(key); found != nil {
		return found
	}
	if !a.mayLearn() {
		return a.rest(o, reason)
	}
	frames := served()
	return a.learn(key, &site{op: o, reason: reason, route: clean(route), frames: frames}, frames)
}

func keyOf(o *operation, reason string) uint64 {
	if reason != "" {
		return mix(o.hash, 1)
	}
	return o.hash
}

// mix is a step of FNV-1a over whole words, with the high bits brought down: program
// counters differ in few of theirs.
func mix(key, word uint64) uint64 {
	key = (key ^ word) * 1099511628211
	return key ^ key>>29
}

// visible returns those of pcs that are kept: from the first that is not ours on.
func visible(pcs []uintptr) []uintptr {
	for len(pcs) > 1 {
		if frames := framesOf(pcs[:1]); len(frames) == 0 || !isOurs(frames[0].Package) {
			break
		}
		pcs = pcs[1:]
	}
	return slices.Clone(pcs[:min(len(pcs), maxFrames)])
}

// identify sets what tells the site from others, in every process that runs the same
// source.
func (s *site) identify(frames []Frame) {
	h := fnv.New64a()
	line := func(text string) { _, _ = io.WriteString(h, text+"\n") }
	line(s.op.name)
	line(s.route)
	line(strconv.FormatBool(s.reason != ""))
	for _, f := range frames {
		line(f.Package + "." + f.Function + ":" + strconv.Itoa(f.Line))
	}
	s.id = h.Sum64()
}

// mayLearn reports whether a site that is not known is looked for: always while there
// is room, and else now and then, so that what is called often gets a place.
func (a *Auditor) mayLearn() bool {
	return !a.crowded.Load() || rand.Uint32N(lookFor) == 0
}

// learn returns the site that looks like s, which is s if it is new, and finds it by
// key from now on.
func (a *Auditor) learn(key uint64, s *site, frames []Frame) *site {
	s.auditor, s.first = a, a.now()
	s.identify(frames)
	a.mu.Lock()
	defer a.mu.Unlock()
	found := a.sites[s.id]
	if found == nil && len(a.sites) >= a.cfg.MaxSites && !a.makeRoom() {
		a.crowded.Store(true)
		return a.rest(s.op, s.reason)
	}
	known := a.known.Load()
	if known.full() {
		a.crowded.Store(true) // of the ways in which the same sites look
		if a.makeRoom() {
			known = a.known.Load()
		}
	}
	if found == nil {
		found = s
		a.sites[s.id] = s
		if a.learned++; a.learned > a.cfg.MaxSites {
			s.logged.Store(true) // there are lines enough: of sites that come and go
		}
	}
	known.put(key, found)
	return found
}

// makeRoom gives up a quarter of the sites, those with the fewest calls: none that has
// calls in flight, had one that was stuck, or is there by design. It needs a.mu. It
// does so once a minute at most, and else reports false.
func (a *Auditor) makeRoom() bool {
	now := a.now()
	if a.cleared != 0 && now-a.cleared < oncePer {
		return false
	}
	a.cleared = now
	if len(a.sites) >= a.cfg.MaxSites {
		for _, s := range a.smallest() {
			delete(a.sites, s.id)
			a.rest(s.op, s.reason).merge(s)
			a.evicted++
		}
	}
	a.known.Store(newTable(a.cfg.MaxSites)) // the sites that stay are found again
	a.crowded.Store(len(a.sites) >= a.cfg.MaxSites)
	return len(a.sites) < a.cfg.MaxSites
}

// smallest returns the sites that makeRoom gives up. It needs a.mu.
func (a *Auditor) smallest() []*site {
	var small []*site
	flying := a.aloft(a.now())
	for _, s := range a.sites {
		if flying[s].calls == 0 && s.took.longest.Load() < int64(a.cfg.StuckAfter) && s.reason == "" {
			small = append(small, s)
		}
	}
	slices.SortFunc(small, func(s, t *site) int { return cmp.Compare(s.calls.Load(), t.calls.Load()) })
	return small[:min(len(small), a.cfg.MaxSites/4)]
}

// rest returns the site that stands for those of an operation for which there is no
// room.
func (a *Auditor) rest(o *operation, reason string) *site {
	place := &o.rest
	if reason != "" {
		place = &o.declared
	}
	if s := place.Load(); s != nil {
		return s
	}
	s := &site{auditor: a, op: o, reason: reason, route: other, first: a.now()}
	s.identify(nil)
	s.logged.Store(true)      // it is no place that anyone could look at
	s.loggedStuck.Store(true) // as above
	if !place.CompareAndSwap(nil, s) {
		return place.Load()
	}
	return s
}

// merge adds what other has counted.
func (s *site) merge(other *site) {
	s.calls.Add(other.calls.Load())
	s.gotDeadline.Add(other.gotDeadline.Load())
	s.refusals.Add(other.refusals.Load())
	s.stuck.Add(other.stuck.Load())
	s.last.Store(max(s.last.Load(), other.last.Load()))
	s.took.merge(&other.took)
	s.targets.merge(&other.targets)
}

// A table finds sites without a lock. It has a fixed size, and nothing is ever taken
// out of it.
type table struct {
	keys  []atomic.Uint64 // 0 for an empty place
	sites []atomic.Pointer[site]
	used  int // guarded by Auditor.mu
}

// newTable returns a table that is half full when it is full.
func newTable(sites int) *table {
	size := 1 << bits.Len(uint(2*variants*sites-1))
	return &table{keys: make([]atomic.Uint64, size), sites: make([]atomic.Pointer[site], size)}
}

func (t *table) full() bool { return t.used >= len(t.keys)/2 }

// get returns the site for key, or nil.
func (t *table) get(key uint64) *site {
	last := uint64(len(t.keys)) - 1
	for i := key & last; ; i = (i + 1) & last {
		switch t.keys[i].Load() {
		case key:
			return t.sites[i].Load()
		case 0:
			return nil
		}
	}
}

// put has get find s for key. It needs Auditor.mu.
func (t *table) put(key uint64, s *site) {
	if key == 0 || t.full() {
		return
	}
	last := uint64(len(t.keys)) - 1
	for i := key & last; ; i = (i + 1) & last {
		switch t.keys[i].Load() {
		case key:
			return
		case 0:
			t.sites[i].Store(s) // before the key, by which it is found
			t.keys[i].Store(key)
			t.used++
			return
		}
	}
}
