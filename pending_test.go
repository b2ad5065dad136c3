package firebreak_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/quick"

	"github.com/firebreak-go/firebreak"
)

var failed = firebreak.Outcome{Class: firebreak.Failure, Err: io.ErrUnexpectedEOF}

// Behaviour 115: "closing the outermost body runs every layer once; order inner to
// outer". Nine layers are more than a Lifetime has room for without an allocation.
func TestA7_115_LifetimeRunsCallbacksInOrderOnce(t *testing.T) {
	for n := range 10 {
		var l firebreak.Lifetime
		var got []int
		for i := range n {
			l.OnDone(func(o firebreak.Outcome) {
				if o != failed {
					t.Errorf("callback %d got %+v, want %+v", i, o, failed)
				}
				if !l.Ended() {
					t.Errorf("Ended() in callback %d = false, want true", i)
				}
				got = append(got, i)
			})
		}
		if l.Ended() {
			t.Error("Ended() before End = true, want false")
		}
		if !l.End(failed) {
			t.Error("the first End = false, want true")
		}
		if l.End(firebreak.Outcome{}) {
			t.Error("the second End = true, want false")
		}
		want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}[:n]
		if !slices.Equal(got, want) {
			t.Errorf("callbacks ran in the order %v, want %v", got, want)
		}
	}
}

func TestLifetimeOnDoneAfterEnd(t *testing.T) {
	var l firebreak.Lifetime
	l.End(failed)
	ran := 0
	for range 8 {
		l.OnDone(func(o firebreak.Outcome) {
			ran++
			if o != failed {
				t.Errorf("callback got %+v, want %+v", o, failed)
			}
		})
	}
	if ran != 8 {
		t.Errorf("%d callbacks ran, want 8", ran)
	}
}

func TestLifetimeOnDoneWithinCallback(t *testing.T) {
	var l firebreak.Lifetime
	ran := false
	l.OnDone(func(firebreak.Outcome) {
		l.OnDone(func(firebreak.Outcome) { ran = true })
		l.End(firebreak.Outcome{})
	})
	l.End(failed)
	if !ran {
		t.Error("the callback of a callback did not run, want that it does at once")
	}
}

// Behaviour 37: "Error and panic of the base release", also where the panic comes
// from a callback of another layer, and 230.
func TestA3_37_LifetimePanicDoesNotStopTheOthers(t *testing.T) {
	for _, panicking := range [][]int{{0}, {7}, {3, 4}, {0, 1, 2, 3, 4, 5, 6, 7}} {
		var l firebreak.Lifetime
		var ran []int
		for i := range 8 {
			l.OnDone(func(firebreak.Outcome) {
				ran = append(ran, i)
				if slices.Contains(panicking, i) {
					panic(fmt.Sprint("callback ", i))
				}
			})
		}
		if v := panicOf(func() { l.End(failed) }); v == nil {
			t.Errorf("callbacks %v panicked, End did not: the panic was swallowed", panicking)
		}
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7}; !slices.Equal(ran, want) {
			t.Errorf("callbacks %v ran after panics of %v, want %v", ran, panicking, want)
		}
		if l.End(failed) {
			t.Error("End after a panic of End = true, want false")
		}
	}
	var l firebreak.Lifetime
	ran := 0
	for range 8 {
		l.OnDone(func(firebreak.Outcome) {
			ran++
			runtime.Goexit()
		})
	}
	inGoroutine(func() { l.End(failed) })
	if ran != 8 {
		t.Errorf("%d callbacks ran although each ended the goroutine, want 8", ran)
	}
}

// Behaviour 35: "EOF, Close, Close again, late Close after another call took the
// slot. R: one release."
func TestA3_35_LifetimeConcurrentEndAndOnDone(t *testing.T) {
	for range 200 {
		var l firebreak.Lifetime
		var ran, ends atomic.Int64
		var users sync.WaitGroup
		for i := range 8 {
			users.Go(func() {
				l.OnDone(func(o firebreak.Outcome) {
					if o != failed {
						t.Errorf("callback got %+v, want %+v", o, failed)
					}
					ran.Add(1)
				})
				if i%2 == 0 && l.End(failed) {
					ends.Add(1)
				}
				l.Ended()
			})
		}
		users.Wait()
		if ran.Load() != 8 || ends.Load() != 1 {
			t.Fatalf("%d callbacks ran and %d Ends took effect, want 8 and 1", ran.Load(), ends.Load())
		}
	}
}

// A script of OnDone and End is played to a Lifetime and to a slice.
func TestLifetimeAgainstModel(t *testing.T) {
	check := func(seed uint64, steps uint8) bool {
		random := rand.New(rand.NewPCG(seed, 1))
		var l firebreak.Lifetime
		var got, want, waiting []int
		ended := false
		for i := range int(steps) {
			if random.IntN(20) == 0 {
				first := l.End(failed)
				if first == ended {
					return false
				}
				ended = true
				want, waiting = append(want, waiting...), nil
				continue
			}
			l.OnDone(func(firebreak.Outcome) { got = append(got, i) })
			if ended {
				want = append(want, i)
			} else {
				waiting = append(waiting, i)
			}
			if l.Ended() != ended {
				return false
			}
		}
		return slices.Equal(got, want)
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestOnDoneAndDiscard(t *testing.T) {
	var got []firebreak.Outcome
	collect := func(o firebreak.Outcome) { got = append(got, o) }
	var c firebreak.Call
	c.OnDone("value", nil, collect)
	c.OnDone(nil, io.ErrUnexpectedEOF, collect)
	if want := []firebreak.Outcome{{}, failed}; !slices.Equal(got, want) {
		t.Errorf("outcomes of results that are not pending: %+v, want %+v at once", got, want)
	}

	got = nil
	b := new(body)
	c.OnDone(b, errFailure, collect)
	if len(got) > 0 {
		t.Errorf("outcome %+v before the result ended, want none", got)
	}
	firebreak.Discard(b)
	if want := (firebreak.Outcome{Class: firebreak.Ignored}); len(got) != 1 || got[0] != want || !b.discarded {
		t.Errorf("outcomes after Discard: %+v, want %+v", got, want)
	}
	firebreak.Discard(nil)
	firebreak.Discard("value")
}

func TestAdmitTellsTheOutcome(t *testing.T) {
	for _, test := range []struct {
		err  error
		want firebreak.Outcome
	}{
		{nil, firebreak.Outcome{Class: firebreak.Success}},
		{errFailure, firebreak.Outcome{Class: firebreak.Failure, Err: errFailure}},
		{context.Canceled, firebreak.Outcome{Class: firebreak.Ignored, Err: context.Canceled}},
	} {
		g := &slots{free: 1}
		result, err := g.Do(t.Context(), firebreak.Call{}, answer("value", test.err))
		if result != "value" || !errors.Is(err, test.err) {
			t.Errorf("Admit = %v, %v, want value, %v", result, err, test.err)
		}
		if given, free := g.outcomes(); !slices.Equal(given, []firebreak.Outcome{test.want}) || free != 1 {
			t.Errorf("the gate was told %+v and has %d free, want %+v, 1", given, free, test.want)
		}
	}
}

func TestAdmitRejects(t *testing.T) {
	g := new(slots)
	result, err := g.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
		t.Error("next ran without a place")
		return nil, nil
	})
	if result != nil || !errors.Is(err, errFull) {
		t.Errorf("Admit = %v, %v, want nil, %v", result, err, errFull)
	}
}

// Behaviour 33: "Bulkhead slot until Close/EOF", and 45: "200 then
// ErrUnexpectedEOF. R: failure."
func TestA3_33_45_AdmitHoldsUntilTheResultEnds(t *testing.T) {
	g, b := &slots{free: 1}, new(body)
	if _, err := g.Do(t.Context(), firebreak.Call{}, answer(b, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Do(t.Context(), firebreak.Call{}, answer(nil, nil)); !errors.Is(err, errFull) {
		t.Errorf("a second call while the result is in use: %v, want %v", err, errFull)
	}
	b.End(failed)
	b.End(firebreak.Outcome{})
	if given, free := g.outcomes(); !slices.Equal(given, []firebreak.Outcome{failed}) || free != 1 {
		t.Errorf("the gate was told %+v and has %d free, want %+v, 1", given, free, failed)
	}
	// Behaviour 36: a result that has nothing to read releases at once.
	ended := new(body)
	ended.End(firebreak.Outcome{})
	_, _ = g.Do(t.Context(), firebreak.Call{}, answer(ended, nil))
	if _, free := g.outcomes(); free != 1 {
		t.Errorf("%d places free after a result that had ended, want 1", free)
	}
}

// Behaviours 37 and 210: panics and runtime.Goexit give the place back, and count.
func TestA3_37_A12_210_AdmitReleasesWithoutReturn(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		g := &slots{free: 1}
		for range 5 {
			inGoroutine(func() {
				v := panicOf(func() {
					_, _ = g.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
						end()
						return nil, nil
					})
					t.Errorf("%s: Admit returned", name)
				})
				if name == "panic" && v != "boom" {
					t.Errorf("Admit panicked with %v, want boom", v)
				}
			})
		}
		given, free := g.outcomes()
		want := slices.Repeat([]firebreak.Outcome{{Class: firebreak.Failure, Err: firebreak.ErrNoReturn}}, 5)
		if !slices.Equal(given, want) || free != 1 {
			t.Errorf("%s: the gate was told %+v and has %d free, want %+v, 1", name, given, free, want)
		}
	}
}

// Behaviour 230: "Panic in user callbacks (classifier, listener, key function):
// slot and permit still released. T: Panicking classifier, then 10 good calls."
func TestA12_230_PanickingClassifier(t *testing.T) {
	g := &slots{free: 1}
	c := firebreak.Call{Classify: func(error) firebreak.Class { panic("classifier") }}
	if v := panicOf(func() { _, _ = g.Do(t.Context(), c, answer(nil, errFailure)) }); v != "classifier" {
		t.Errorf("Admit panicked with %v, want classifier", v)
	}
	want := []firebreak.Outcome{{Class: firebreak.Ignored, Err: firebreak.ErrNoReturn}}
	if given, free := g.outcomes(); !slices.Equal(given, want) || free != 1 {
		t.Errorf("the gate was told %+v and has %d free, want %+v, 1", given, free, want)
	}
	for i := range 10 {
		if _, err := g.Do(t.Context(), firebreak.Call{}, answer(nil, nil)); err != nil {
			t.Errorf("good call %d: %v", i+1, err)
		}
	}
}

func TestAdmitConcurrently(t *testing.T) {
	g := &slots{free: 3}
	var inFlight atomic.Int64
	var users sync.WaitGroup
	for i := range 64 {
		users.Go(func() {
			for j := range 50 {
				_ = panicOf(func() {
					result, _ := g.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
						if n := inFlight.Add(1); n > 3 {
							t.Errorf("%d in flight, want at most 3", n)
						}
						defer inFlight.Add(-1)
						switch (i + j) % 3 {
						case 0:
							panic("boom")
						case 1:
							return new(body), nil
						}
						return nil, errFailure
					})
					firebreak.Discard(result)
				})
			}
		})
	}
	users.Wait()
	if _, free := g.outcomes(); free != 3 {
		t.Errorf("%d places free in the end, want 3", free)
	}
}
