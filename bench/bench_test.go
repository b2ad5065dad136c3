package bench

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	firebulkhead "github.com/firebreak-go/firebreak/bulkhead"
)

// each returns what all goroutines of a benchmark do that need no state of their
// own.
func each(f func() error) func() func() error {
	return func() func() error { return f }
}

// only returns the error of a call.
func only(_ *user, err error) error { return err }

// BenchmarkDo is a function called through timeout, retry, breaker, bulkhead and
// timeout.
func BenchmarkDo(b *testing.B) {
	ctx := context.Background()
	compare(b, []contestant{
		{"firebreak", func() func() func() error {
			s := newFireStack(maxCalls)
			return each(func() error { return only(s.call(ctx)) })
		}},
		{"failsafe-go", func() func() func() error {
			s := newSafeCalls(maxCalls)
			return each(func() error { return only(s.call(ctx, lookUp)) })
		}},
		{"by hand", func() func() func() error {
			s := newHandStack(maxCalls)
			return each(func() error { return only(s.call(ctx, lookUp)) })
		}},
	})
}

// transports are who takes part in the benchmarks of RoundTrip.
var transports = []struct {
	name string
	wrap func(http.RoundTripper) http.RoundTripper
}{
	{"firebreak", newFireTransport},
	{"failsafe-go", newSafeTransport},
	{"by hand", newHandTransport},
	{"go-retryablehttp", newRetryable},
	{"no policies", func(base http.RoundTripper) http.RoundTripper { return base }},
}

// BenchmarkRoundTrip is a request through the same five policies, to a base that
// answers at once; the body is read and closed.
func BenchmarkRoundTrip(b *testing.B) {
	roundTrips(b, context.Background())
}

// BenchmarkRoundTripCancelable is the same with a context that can be cancelled,
// as that of a request that is made for another one.
func BenchmarkRoundTripCancelable(b *testing.B) {
	roundTrips(b, b.Context())
}

func roundTrips(b *testing.B, parent context.Context) { //nolint:revive // a benchmark's b comes first
	b.Helper()
	contestants := make([]contestant, 0, len(transports))
	for _, t := range transports {
		contestants = append(contestants, contestant{t.name, func() func() func() error {
			transport := t.wrap(reply{})
			return func() func() error { // each goroutine has a request of its own, and a context
				ctx := parent
				if parent.Done() != nil {
					var cancel context.CancelFunc
					ctx, cancel = context.WithCancel(parent)
					context.AfterFunc(parent, cancel)
				}
				req, buf := newRequest(ctx), make([]byte, 512)
				return func() error { return exchange(transport, req, buf) }
			}
		}})
	}
	compare(b, contestants)
}

// rejected returns nil if err is want.
func rejected(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return errors.Join(errors.New("want a rejection"), err)
}

// BenchmarkOpenBreaker is a call that an open breaker rejects, with the whole stack
// around it.
func BenchmarkOpenBreaker(b *testing.B) {
	ctx := context.Background()
	compare(b, []contestant{
		{"firebreak", func() func() func() error {
			s := newFireStack(maxCalls)
			s.open()
			return each(func() error { return rejected(only(s.call(ctx)), breaker.ErrOpen) })
		}},
		{"failsafe-go", func() func() func() error {
			s := newSafeCalls(maxCalls)
			s.breaker.Open()
			return each(func() error { return rejected(only(s.call(ctx, lookUp)), circuitbreaker.ErrOpen) })
		}},
		{"by hand", func() func() func() error {
			s := newHandStack(maxCalls)
			s.open()
			return each(func() error { return rejected(only(s.call(ctx, lookUp)), gobreaker.ErrOpenState) })
		}},
	})
}

// BenchmarkFullBulkhead is a call that a full bulkhead rejects, with the whole
// stack around it.
func BenchmarkFullBulkhead(b *testing.B) {
	ctx := context.Background()
	compare(b, []contestant{
		{"firebreak", func() func() func() error {
			s := newFireStack(1)
			s.fill()
			return each(func() error { return rejected(only(s.call(ctx)), firebulkhead.ErrFull) })
		}},
		{"failsafe-go", func() func() func() error {
			s := newSafeCalls(1)
			s.bulkhead.TryAcquirePermit()
			return each(func() error { return rejected(only(s.call(ctx, lookUp)), bulkhead.ErrFull) })
		}},
		{"by hand", func() func() func() error {
			s := newHandStack(1)
			s.slots <- struct{}{}
			return each(func() error { return rejected(only(s.call(ctx, lookUp)), errFull) })
		}},
	})
}

// BenchmarkKeyed is the lookup of the policy of one of 100 hosts.
func BenchmarkKeyed(b *testing.B) {
	ctx := context.Background()
	hosts := hostNames(100)
	next := func(context.Context, firebreak.Call) (any, error) { return theUser, nil }
	contestants := []contestant{}
	for _, k := range []struct {
		name  string
		newBy func(newPolicy func(string) firebreak.Policy) firebreak.Policy
	}{
		{"firebreak", func(newPolicy func(string) firebreak.Policy) firebreak.Policy {
			return firebreak.Keyed(firebreak.ByTarget, newPolicy)
		}},
		{"mutex and map", newMutexMap},
		{"sync.Map", newSyncMap},
	} {
		contestants = append(contestants, contestant{k.name, func() func() func() error {
			p := k.newBy(func(string) firebreak.Policy { return through{} })
			return func() func() error {
				i := 0
				return func() error {
					i = (i + 1) % len(hosts)
					_, err := p.Do(ctx, firebreak.Call{Op: "GET", Target: hosts[i]}, next)
					return err
				}
			}
		}})
	}
	compare(b, contestants)
}
