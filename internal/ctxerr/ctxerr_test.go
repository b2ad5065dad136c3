package ctxerr_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/ctxerr"
)

// errTimeout is a cause that says all that a deadline does.
var errTimeout = &firebreak.TimeoutError{After: time.Second, Scope: "call"}

// wrapped matches context.DeadlineExceeded, but has no method Timeout.
type wrapped struct{ error }

func (w wrapped) Unwrap() error { return w.error }

// Behaviour 57: "Caller cancels with cause X. R: error matches both context.Canceled
// and X. B: returning bare context.Cause breaks errors.Is(Canceled)." And 51, of the
// method Timeout of the outermost error.
func TestA4_51_57_Of(t *testing.T) {
	late := wrapped{context.DeadlineExceeded}
	for _, test := range []struct {
		name    string
		end     func(ctx context.Context) (context.Context, context.CancelFunc)
		want    []error
		text    string
		timeout bool
	}{
		{"cancelled", context.WithCancel, []error{context.Canceled}, "context canceled", false},
		{"cancelled with a cause", cancelWith(io.EOF), []error{context.Canceled, io.EOF}, "context canceled: EOF", false},
		{"cancelled with no cause", cancelWith(nil), []error{context.Canceled}, "context canceled", false},
		{
			"cancelled with a cause that says so", cancelWith(errors.Join(io.EOF, context.Canceled)),
			[]error{context.Canceled, io.EOF}, "EOF\ncontext canceled", false,
		},
		{
			"cancelled because something took too long", cancelWith(errTimeout),
			[]error{context.Canceled, errTimeout}, "context canceled: timeout: call took over 1s", false,
		},
		{"a deadline", deadlineWith(nil), []error{context.DeadlineExceeded}, "context deadline exceeded", true},
		{"a deadline with a cause", deadlineWith(io.EOF), []error{context.DeadlineExceeded, io.EOF}, "context deadline exceeded: EOF", true},
		{
			"a deadline whose cause says so", deadlineWith(errTimeout),
			[]error{context.DeadlineExceeded, errTimeout}, "timeout: call took over 1s", true,
		},
		{
			"a deadline whose cause says so but for Timeout", deadlineWith(late),
			[]error{context.DeadlineExceeded, late}, "context deadline exceeded: context deadline exceeded", true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := test.end(t.Context())
				if err := ctxerr.Of(ctx); err != nil {
					t.Errorf("Of a context that is alive = %v, want nil", err)
				}
				time.Sleep(time.Second)
				synctest.Wait() // for the deadline, before cancel
				cancel()
				err := ctxerr.Of(ctx)
				for _, want := range test.want {
					if !errors.Is(err, want) {
						t.Errorf("Of = %v, want a match of %v", err, want)
					}
				}
				if err.Error() != test.text {
					t.Errorf("Of = %q, want %q", err, test.text)
				}
				asserted, ok := err.(interface{ Timeout() bool })
				if got := ok && asserted.Timeout(); got != test.timeout {
					t.Errorf("Timeout of %v = %t, want %t", err, got, test.timeout)
				}
			})
		})
	}
}

func cancelWith(cause error) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		return ctx, func() { cancel(cause) }
	}
}

func deadlineWith(cause error) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithDeadlineCause(ctx, time.Now().Add(time.Second), cause)
	}
}
