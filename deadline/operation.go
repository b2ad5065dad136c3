package deadline

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Bounds of what users name: further operations count as "other", and in the metric
// already those from the thirteenth on.
const (
	maxOperations = 64
	maxSeries     = 12
	other         = "other"
)

// An operation is a kind of call.
type operation struct {
	name           string
	hash           uint64
	calls          atomic.Int64         // with a deadline and without
	rest, declared atomic.Pointer[site] // its calls for whose sites there is no room
	add            []metric.AddOption   // its attributes
}

// operations are those that were seen.
type operations struct {
	by     atomic.Pointer[map[string]*operation] // replaced, never changed
	seed   maphash.Seed
	others *operation
	mu     sync.Mutex // serializes replacements
}

// hookOperations are those of the hooks of this package, which are always there.
var hookOperations = []string{
	"http.client", "http.server", "net.dial", "net.read", "net.write", "stack.call",
	"sql.begin", "sql.connect", "sql.exec", "sql.ping", "sql.prepare", "sql.query",
}

func (o *operations) init() {
	o.seed = maphash.MakeSeed()
	by := make(map[string]*operation)
	for _, name := range hookOperations {
		by[name] = o.make(name, name)
	}
	o.others = o.make(other, other)
	o.by.Store(&by)
}

func (o *operations) make(name, series string) *operation {
	return &operation{
		name: name, hash: maphash.String(o.seed, name),
		add: []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("firebreak.op", series)))},
	}
}

// get returns the operation of that name, or the one that stands for all that are too
// many or have no proper name.
func (o *operations) get(name string) *operation {
	by := *o.by.Load()
	if found := by[name]; found != nil {
		return found
	}
	if len(by) >= len(hookOperations)+maxOperations || name == "" || clean(name) != name {
		return o.others
	}
	return o.learn(name)
}

func (o *operations) learn(name string) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	old := *o.by.Load()
	named := len(old) - len(hookOperations)
	switch {
	case old[name] != nil:
		return old[name]
	case named >= maxOperations:
		return o.others
	}
	series := name
	if named >= maxSeries {
		series = other
	}
	made := o.make(strings.Clone(name), series)
	by := maps.Clone(old)
	by[made.name] = made
	o.by.Store(&by)
	return made
}

// all returns the operations that were seen.
func (o *operations) all() []*operation {
	return append(slices.Collect(maps.Values(*o.by.Load())), o.others)
}
