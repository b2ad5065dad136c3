package deadline_test

import (
	"context"
	"database/sql/driver"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/deadline"
	"github.com/firebreak-go/firebreak/timeout"
)

// A request without a deadline costs what notes the end of its body.
func TestHTTPAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	bounded, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	a := deadline.New(deadline.Config{})
	inner := &scriptedBody{Reader: strings.NewReader("")}
	resp := &http.Response{StatusCode: 200, ContentLength: -1}
	client := a.RoundTripper(roundTrip(func(*http.Request) (*http.Response, error) {
		resp.Body = inner
		return resp, nil
	}))
	plain, wrapped := http.HandlerFunc(handleOrder), a.Middleware(http.HandlerFunc(handleOrder))
	in := httptest.NewRequest(http.MethodGet, "/cart", nil)
	w := httptest.NewRecorder()
	send := func(ctx context.Context) func() {
		req := get(t, ctx, "http://api.example.com/")
		return func() {
			resp, _ := client.RoundTrip(req)
			_ = resp.Body.Close()
		}
	}
	for _, test := range []struct {
		name string
		call func()
		want float64
	}{
		{"RoundTrip, bounded", send(bounded), 0},
		{"RoundTrip, unbounded", send(background), 1},
		{"the handler alone", func() { plain.ServeHTTP(w, in) }, 0},
		{"Middleware, unbounded", func() { wrapped.ServeHTTP(w, in) }, 0},
	} {
		if got := testing.AllocsPerRun(200, test.call); got != test.want {
			t.Errorf("%s: got %v allocations, want %v", test.name, got, test.want)
		}
	}
}

// Budget: neither a bounded call nor an unbounded one allocates, once its site was
// seen.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	bounded, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	a := deadline.New(deadline.Config{})
	begin := func(ctx context.Context) func() {
		return func() {
			_, op, _ := a.Begin(ctx, "cache.load", "users")
			op.End()
		}
	}
	for _, test := range []struct {
		name string
		call func()
	}{
		{"Begin, bounded", begin(bounded)},
		{"Begin, unbounded", begin(background)},
		{"Begin, unbounded by design", begin(deadline.Unbounded(background, "a test"))},
		{"Check, bounded", func() { _ = a.Check(bounded, "kafka.publish") }},
		{"Check, unbounded", func() { _ = a.Check(background, "kafka.publish") }},
	} {
		if got := testing.AllocsPerRun(200, test.call); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", test.name, got)
		}
	}
}

// A query without a deadline costs what notes the end of its rows, and a call of a
// Stack what tells those it calls.
func TestMoreAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	bounded, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	a := deadline.New(deadline.Config{})
	queries := func(connector driver.Connector) func(context.Context) {
		inner, err := connector.Connect(bounded)
		if err != nil {
			t.Fatal(err)
		}
		q, ok := inner.(driver.QueryerContext)
		if !ok {
			t.Fatalf("a %T lacks QueryContext", inner)
		}
		return func(ctx context.Context) {
			rows, err := q.QueryContext(ctx, "rows", nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = rows.Close()
		}
	}
	plain, wrapped := queries(quiet{}), queries(a.Connector(quiet{}))
	feed := firebreak.New("feed", timeout.Unbounded("waits for news"))
	nothing := func(context.Context) (struct{}, error) { return struct{}{}, nil }
	call := func() { _, _ = firebreak.Do(background, feed, "poll", nothing) }
	unwatched := testing.AllocsPerRun(200, call)
	t.Cleanup(a.WatchStacks())
	for _, test := range []struct {
		name string
		call func()
		want float64
	}{
		{"the driver alone", func() { plain(background) }, 1},
		{"a query, bounded", func() { wrapped(bounded) }, 1},
		{"a query, unbounded", func() { wrapped(background) }, 2},
		{"a call of a Stack", call, unwatched + 3},
	} {
		if got := testing.AllocsPerRun(200, test.call); got != test.want {
			t.Errorf("%s: got %v allocations, want %v", test.name, got, test.want)
		}
	}
}

// quiet is a driver that does nothing.
type quiet struct{}

func (quiet) Connect(context.Context) (driver.Conn, error) { return quietConn{}, nil }
func (quiet) Driver() driver.Driver                        { return nil }

type quietConn struct{ driver.Conn }

func (quietConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return new(quietRows), nil
}

type quietRows struct {
	driver.Rows
	_ int // so that each is an allocation
}

func (*quietRows) Close() error { return nil }
