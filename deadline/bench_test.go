package deadline_test

import (
	"context"
	"database/sql/driver"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/deadline"
)

// deeply calls f with as many frames below it as a service and its libraries have.
//
//go:noinline
func deeply(frames int, f func()) {
	if frames == 0 {
		f()
		return
	}
	deeply(frames-1, f)
}

// measure runs f, below many frames, under that name.
func measure(b *testing.B, name string, f func()) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		deeply(30, func() {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	})
}

func newBounded(b *testing.B) context.Context {
	b.Helper()
	ctx, cancel := context.WithTimeout(background, time.Hour)
	b.Cleanup(cancel)
	return ctx
}

// What a call costs, and what it would if the runtime was asked for its stack.
func BenchmarkBegin(b *testing.B) {
	bounded := newBounded(b)
	a := deadline.New(deadline.Config{})
	begin := func(ctx context.Context) func() {
		return func() {
			_, op, _ := a.Begin(ctx, "http.client", "api.example.com")
			op.End()
		}
	}
	measure(b, "bounded", begin(bounded))
	measure(b, "unbounded", begin(background))
	measure(b, "ten frames of runtime.Callers", func() {
		var pcs [10]uintptr
		runtime.Callers(1, pcs[:])
	})
}

func BenchmarkBeginParallel(b *testing.B) {
	a := deadline.New(deadline.Config{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		deeply(30, func() {
			for pb.Next() {
				_, op, _ := a.Begin(background, "http.client", "api.example.com")
				op.End()
			}
		})
	})
}

func BenchmarkCheck(b *testing.B) {
	bounded := newBounded(b)
	a := deadline.New(deadline.Config{})
	measure(b, "bounded", func() { _ = a.Check(bounded, "kafka.publish") })
	measure(b, "unbounded", func() { _ = a.Check(background, "kafka.publish") })
}

func BenchmarkRoundTrip(b *testing.B) {
	inner := &scriptedBody{Reader: strings.NewReader("")}
	resp := &http.Response{StatusCode: http.StatusOK, ContentLength: -1}
	plain := roundTrip(func(*http.Request) (*http.Response, error) {
		resp.Body = inner
		return resp, nil
	})
	send := func(ctx context.Context, t http.RoundTripper) func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://api.example.com/", nil)
		if err != nil {
			b.Fatal(err)
		}
		return func() {
			resp, _ := t.RoundTrip(req)
			_ = resp.Body.Close()
		}
	}
	audited := deadline.New(deadline.Config{}).RoundTripper(plain)
	measure(b, "alone", send(background, plain))
	measure(b, "bounded", send(newBounded(b), audited))
	measure(b, "unbounded", send(background, audited))
}

func BenchmarkMiddleware(b *testing.B) {
	plain := http.HandlerFunc(handleOrder)
	serve := func(ctx context.Context, h http.Handler) func() {
		r, w := httptest.NewRequestWithContext(ctx, http.MethodGet, "/cart", nil), httptest.NewRecorder()
		return func() { h.ServeHTTP(w, r) }
	}
	audited := deadline.New(deadline.Config{}).Middleware(plain)
	measure(b, "alone", serve(background, plain))
	measure(b, "bounded", serve(newBounded(b), audited))
	measure(b, "unbounded", serve(background, audited))
}

func BenchmarkQueryContext(b *testing.B) {
	bounded := newBounded(b)
	query := func(ctx context.Context, c driver.Connector) func() {
		conn, err := c.Connect(bounded)
		if err != nil {
			b.Fatal(err)
		}
		q, ok := conn.(driver.QueryerContext)
		if !ok {
			b.Fatalf("a %T lacks QueryContext", conn)
		}
		return func() {
			rows, _ := q.QueryContext(ctx, "rows", nil)
			_ = rows.Close()
		}
	}
	audited := deadline.New(deadline.Config{}).Connector(quiet{})
	measure(b, "alone", query(background, quiet{}))
	measure(b, "bounded", query(bounded, audited))
	measure(b, "unbounded", query(background, audited))
}

func BenchmarkDialContext(b *testing.B) {
	plain := func(context.Context, string, string) (net.Conn, error) { return silent{}, nil }
	audited := deadline.New(deadline.Config{}).DialContext(plain)
	bounded := newBounded(b)
	measure(b, "alone", func() { _, _ = plain(background, "tcp", "mail.example.com:25") })
	measure(b, "bounded", func() { _, _ = audited(bounded, "tcp", "mail.example.com:25") })
	measure(b, "unbounded", func() { _, _ = audited(background, "tcp", "mail.example.com:25") })
}

func BenchmarkRead(b *testing.B) {
	dial := deadline.New(deadline.Config{}).DialContext(func(context.Context, string, string) (net.Conn, error) { return silent{}, nil })
	conn, err := dial(newBounded(b), "tcp", "mail.example.com:25")
	if err != nil {
		b.Fatal(err)
	}
	var p [1]byte
	until := func(t time.Time) func() {
		return func() {
			_ = conn.SetReadDeadline(t)
			_, _ = conn.Read(p[:])
		}
	}
	measure(b, "alone", func() { _, _ = silent{}.Read(p[:]) })
	measure(b, "bounded", until(time.Now().Add(time.Hour)))
	measure(b, "unbounded", until(time.Time{}))
}

// silent is a connection on which nothing is said.
type silent struct{ net.Conn }

func (silent) Read([]byte) (int, error)        { return 0, nil }
func (silent) SetReadDeadline(time.Time) error { return nil }
