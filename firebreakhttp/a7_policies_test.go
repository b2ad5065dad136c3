package firebreakhttp_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
)

// A policyFunc is a policy of a user's own.
type policyFunc func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error)

func (f policyFunc) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return f(ctx, c, next)
}

// errOwn is an error of a policy of a user's own.
var errOwn = errors.New("a policy of the user's")

// other is a result that firebreakhttp did not make.
type other struct {
	firebreak.Lifetime
	discards int
}

func (o *other) Discard() {
	o.discards++
	o.End(firebreak.Outcome{})
}

// What policies of users return comes out as a response or an error, exactly one of
// both (behaviour 30), and nothing that they return beside it stays open.
func TestA7_30_PoliciesOfUsers(t *testing.T) {
	body := newTracked("made by the policy")
	own, foreign := response(200, body), &other{}
	busy := &firebreak.AttemptError{Err: &firebreakhttp.StatusError{Code: 503}, Class: firebreak.Failure}
	after := func(result any, err error) policyFunc {
		return func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			answer, _ := next(ctx, c)
			firebreak.Discard(answer)
			return result, err
		}
	}
	for _, tt := range []struct {
		name   string
		policy policyFunc
		status int    // 0 for an error
		err    string // in its text
		closed bool   // body is
	}{
		{"a response", after(own, nil), 200, "", false},
		{"a response that is a failure", after(own, busy), 200, "", false},
		{"a response and an error", after(own, errOwn), 0, errOwn.Error(), true},
		{"neither", after(nil, nil), 0, "neither a response nor an error", false},
		{"a nil response", after((*http.Response)(nil), nil), 0, "neither a response nor an error", false},
		{"a nil response and an error", after((*http.Response)(nil), errOwn), 0, errOwn.Error(), false},
		{"something else", after("200 OK", nil), 0, "neither a response nor an error", false},
		{"something else that is pending", after(foreign, nil), 0, "neither a response nor an error", false},
		{"a response without a body", after(&http.Response{StatusCode: 204}, nil), 204, "", false},
		{"the answer, and an error of its own", func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			result, _ := next(ctx, c)
			return result, errOwn
		}, 0, errOwn.Error(), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body.closes.Store(0)
			answer, slots := newTracked("made by the base"), bulkhead.New(bulkhead.Config{MaxCalls: 1})
			rt := firebreakhttp.Transport(script(respond(200, answer)), firebreak.New("test", slots, tt.policy))
			resp, err := send(t, rt, newRequest(t, "GET", nil))
			switch {
			case tt.status == 0 && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want %q", err, tt.err)
			case tt.status != 0 && (err != nil || resp.StatusCode != tt.status):
				t.Errorf("response %v and error %v, want status %d", resp, err, tt.status)
			}
			answer.wantClosed(t, "the base's body")
			if got := body.closes.Load() > 0; got != tt.closed {
				t.Errorf("the policy's body is closed: %v, want %v", got, tt.closed)
			}
			if resp != nil {
				resp.Body.Close()
			}
			slots.Report(func(s firebreak.Status) {
				if s.InFlight != 0 {
					t.Errorf("%d slots are taken, want none", s.InFlight)
				}
			})
		})
	}
	if foreign.discards != 1 {
		t.Errorf("a pending result that is no response was discarded %d times, want once", foreign.discards)
	}
}
