// Package ctxflow follows contexts: it says of a value whether it has a deadline, and if
// not, where it came from.
//
// Where ways join, the best of them counts: a context that is bounded on one of two
// paths is Bounded, since the other is mostly that of a limit which is switched off.
// Root is said only of what is Root on all paths that are known.
package ctxflow

import (
	"go/token"
	"slices"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// A State is what is known of the deadline of a context.
type State int

// The states.
const (
	// Unknown is a context that comes from where nothing is known.
	Unknown State = iota

	// Bounded is one that has a deadline, at least on some path that was meant.
	Bounded

	// Root is context.Background, context.TODO or what was derived from them without
	// a deadline.
	Root

	// Request is that of a request which is served: it ends when the client leaves,
	// and has no deadline.
	Request

	// Param is a parameter of a function whose callers decide.
	Param

	// nothing is what a value is on a path that never sets it: it leaves the other
	// paths as they are.
	nothing
)

var states = [...]string{"unknown", "bounded", "root", "request", "param", "nothing"}

// String returns "unknown", "bounded", "root", "request" or "param".
func (s State) String() string { return states[s] }

// An Origin says what a context is, and how it came to be that.
type Origin struct {
	State State

	// Param is the parameter that decides if State is Param, else nil. It is one of
	// the function at hand, or of one that encloses it.
	Param *ssa.Parameter

	// Callers is what all the callers that are known pass as Param, or nil if none is
	// known. It is never Bounded: where all of them pass what is bounded, so is the
	// parameter. Those whom it does not know may pass something else if Open is true:
	// Param is of an exported function of a library, say.
	Callers *Origin
	Open    bool

	// Steps is the way of the context, its origin first.
	Steps []Step
}

// A Step is one place on the way of a context.
type Step struct {
	Pos  token.Pos
	Text string // "context.Background()", "stored in field ctx", "passed to fetch as ctx"
}

// Start returns the place where the context began, or token.NoPos.
func (o Origin) Start() token.Pos {
	if len(o.Steps) == 0 {
		return token.NoPos
	}
	return o.Steps[0].Pos
}

// A Flow knows the contexts of a Program. It is not safe for concurrent use.
type Flow struct {
	program *program.Program
	catalog *catalog.Catalog
	memory  *memory
	known   map[ssa.Value]Origin
	results map[result]Origin
	called  map[*ssa.Function]callers
	active  map[any]int // what is being evaluated, with its depth
	cut     int         // the least depth at which a cycle was cut during the evaluation at hand

	// What holds as long as the evaluation lasts at which a cycle was cut. Without it a
	// net of calls would be gone through by each of its ways.
	guesses map[any]guess
	guessed map[int][]any // by the depth of that evaluation
}

type guess struct {
	origin Origin
	cut    int
}

type result struct {
	fn    *ssa.Function
	index int
}

// New returns the Flow of p. known says which functions of libraries set limits.
func New(p *program.Program, known *catalog.Catalog) *Flow {
	return &Flow{
		program: p,
		catalog: known,
		known:   make(map[ssa.Value]Origin),
		results: make(map[result]Origin),
		called:  make(map[*ssa.Function]callers),
		active:  make(map[any]int),
		cut:     uncut,
		guesses: make(map[any]guess),
		guessed: make(map[int][]any),
	}
}

// Context says what the value ctx is where at uses it: a context.Context, or what holds
// one, such as a *gin.Context. at may be nil.
func (f *Flow) Context(ctx ssa.Value, at ssa.Instruction) Origin {
	_ = at // SSA form has a value for each place
	return f.outermost(ctx)
}

// Request says what the context of the value req, an *http.Request, is where at uses it.
// at may be nil.
func (f *Flow) Request(req ssa.Value, at ssa.Instruction) Origin {
	o := f.outermost(req)
	if o.State == Bounded || at == nil {
		return o
	}
	return join(o, f.overwritten(req))
}

// ComesFrom reports whether the context ctx is the parameter p, or was derived from it
// without a deadline, on all paths that are known.
func (f *Flow) ComesFrom(ctx ssa.Value, p *ssa.Parameter) bool {
	o := f.outermost(ctx)
	return o.State == Param && o.Param == p
}

// overwritten says what the context of a request is that is written over: as in
// *req = *req.WithContext(ctx).
func (f *Flow) overwritten(req ssa.Value) Origin {
	joined := Origin{State: nothing}
	if req.Referrers() == nil {
		return joined
	}
	for _, user := range *req.Referrers() {
		store, ok := user.(*ssa.Store)
		if !ok || store.Addr != req {
			continue
		}
		if load, isLoad := store.Val.(*ssa.UnOp); isLoad && load.Op == token.MUL {
			if o := f.outermost(load.X); o.State == Bounded {
				return o
			}
		}
	}
	return joined
}

func (f *Flow) outermost(v ssa.Value) Origin {
	o := f.value(v)
	if o.State == nothing {
		o.State = Unknown
	}
	return o
}

const (
	uncut    = 1 << 30
	maxDepth = 2000 // of one evaluation: what lies deeper is unknown
)

// value evaluates v with a memory of what is known, and cuts cycles.
func (f *Flow) value(v ssa.Value) Origin {
	if o, ok := f.known[v]; ok {
		return o
	}
	o, final := f.once(v, func() Origin { return f.evaluate(v) })
	if final {
		f.known[v] = o
	}
	return o
}

// once calls evaluate for key unless that is under way already, and reports whether the
// result holds for good: it does not where a cycle was cut that began further out.
func (f *Flow) once(key any, evaluate func() Origin) (o Origin, final bool) {
	if depth, ok := f.active[key]; ok {
		f.cut = min(f.cut, depth)
		return Origin{State: nothing}, false
	}
	if g, ok := f.guesses[key]; ok {
		f.cut = min(f.cut, g.cut)
		return g.origin, false
	}
	depth := len(f.active)
	if depth > maxDepth {
		f.cut = min(f.cut, 0)
		return Origin{}, false
	}
	before := f.cut
	f.cut = uncut
	f.active[key] = depth
	o = evaluate()
	delete(f.active, key)
	for _, other := range f.guessed[depth] {
		delete(f.guesses, other)
	}
	delete(f.guessed, depth)
	if f.cut >= depth {
		f.cut = before
		return o, true
	}
	f.guesses[key] = guess{o, f.cut}
	f.guessed[f.cut] = append(f.guessed[f.cut], key)
	f.cut = min(f.cut, before)
	return o, false
}

// join returns what a value is that is a on one path and b on another.
func join(a, b Origin) Origin {
	switch {
	case a.State == nothing:
		return b
	case b.State == nothing:
		return a
	case a.State == Bounded:
		return a
	case b.State == Bounded:
		return b
	case a.State == Unknown:
		return a
	case b.State == Unknown:
		return b
	case a.State == Param:
		return a
	case b.State == Param:
		return b
	case a.State == Request: // an end, if not a deadline: less is wrong with it
		return a
	default:
		return b
	}
}

// then returns o with one more step.
func (o Origin) then(pos token.Pos, text string) Origin {
	if o.State == nothing || o.State == Unknown || len(o.Steps) >= maxSteps {
		return o
	}
	o.Steps = append(slices.Clip(o.Steps), Step{Pos: pos, Text: text})
	return o
}

const maxSteps = 24
