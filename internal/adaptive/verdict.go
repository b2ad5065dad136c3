package adaptive

// A Class says how important a call is, from Critical to BestEffort. A lower value
// is more important. Values out of range count as the nearest that is.
type Class int

// The classes.
const (
	Critical   Class = iota // what a person waits for
	Default                 // what says nothing
	Degraded                // what callers can do without
	BestEffort              // what can as well be done later
)

// Classes is how many there are.
const Classes = 4

// A Verdict is what became of an arrival.
type Verdict int

// The verdicts. Only Queued is not the last word.
const (
	Queued    Verdict = iota // waits: its Waiter is woken with one of the others
	Admitted                 // holds a slot, to be given back by Release
	Full                     // refused at once: nobody waits in order to be refused
	Displaced                // had waited, but somebody more important took the place
	Hopeless                 // had waited so long that it cannot finish by its deadline
	Closed                   // refused: the Limiter takes no more arrivals
)

var verdictNames = [...]string{"queued", "admitted", "full", "displaced", "hopeless", "closed"}

// String returns the name of v: "queued", "admitted", "full", "displaced",
// "hopeless", "closed".
func (v Verdict) String() string {
	if v < 0 || int(v) >= len(verdictNames) {
		return "unknown"
	}
	return verdictNames[v]
}

// An End is how a call that had a slot came out.
type End int

// The ends.
const (
	Completed End = iota // it was answered
	Failed               // it failed: counts as slow if it was slow, but as no work done
	Ignored              // the caller gave up, or something further in refused it
	Unused               // it was never made: says nothing of anything
)
