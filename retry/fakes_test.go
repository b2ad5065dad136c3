package retry_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/retry"
)

var errDown = errors.New("dependency is down")

// idempotent is a call that may be repeated.
func idempotent() firebreak.Call { return firebreak.Call{Op: "lookup", Idempotent: true} }

// after returns a Retry whose waits are all d.
func after(d time.Duration) *retry.Retry {
	return retry.New(retry.Config{NewBackOff: func() backoff.BackOff { return backoff.NewConstantBackOff(d) }})
}

// overload is the end of an attempt that the dependency asked to repeat later.
func overload(hint time.Duration) error {
	return &firebreak.AttemptError{Err: errors.New("overloaded"), Class: firebreak.Overload, RetryAfter: hint}
}

// A body is a result that someone has to consume or discard.
type body struct{ firebreak.Lifetime }

func (b *body) Discard() { b.End(firebreak.Outcome{Class: firebreak.Ignored}) }

// A dependency is what is called. It keeps when and how.
type dependency struct {
	respond func(n int) (any, error) // to attempt n, from 1 on

	mu      sync.Mutex // guards the fields below, where a test looks while a call runs
	calls   []firebreak.Call
	at      []time.Time
	results []any
}

// failing is a dependency all of whose attempts end with err.
func failing(err error) *dependency {
	return &dependency{respond: func(int) (any, error) { return nil, err }}
}

// failingWithBody is one that answers each attempt with a body that says so.
func failingWithBody(err error) *dependency {
	return &dependency{respond: func(int) (any, error) { return new(body), err }}
}

func (d *dependency) handle(_ context.Context, c firebreak.Call) (any, error) {
	d.mu.Lock()
	d.calls, d.at = append(d.calls, c), append(d.at, time.Now())
	n := len(d.calls)
	d.mu.Unlock()
	result, err := d.respond(n)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.results = append(d.results, result)
	return result, err
}

// wantAttempts reports if d did not get n attempts.
func (d *dependency) wantAttempts(t *testing.T, n int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.calls) != n {
		t.Errorf("%d attempts, want %d", len(d.calls), n)
	}
}

// wantDiscarded reports a result but the last that is in use, and whether the last
// one is.
func (d *dependency) wantDiscarded(t *testing.T, lastToo bool) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, r := range d.results {
		b, ok := r.(*body)
		if want := lastToo || i < len(d.results)-1; ok && b.Ended() != want {
			t.Errorf("the result of attempt %d of %d: discarded is %t, want %t", i+1, len(d.results), b.Ended(), want)
		}
	}
}

// wantTook reports if it is not d since begin.
func wantTook(t *testing.T, begin time.Time, d time.Duration) {
	t.Helper()
	if took := time.Since(begin); took != d {
		t.Errorf("took %v, want %v", took, d)
	}
}

// rewinder is a request that counts its preparations.
type rewinder struct {
	err   error
	count int
	look  func()
}

func (r *rewinder) Rewind() error {
	r.count++
	if r.look != nil {
		r.look()
	}
	return r.err
}

// eventsOf returns the events of f. It runs in a bubble.
func eventsOf(f func()) []firebreak.Event {
	var events []firebreak.Event
	cancel := firebreak.Subscribe(func(e firebreak.Event) { events = append(events, e) })
	f()
	synctest.Wait()
	cancel()
	synctest.Wait()
	return events
}
