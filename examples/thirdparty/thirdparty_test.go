package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// inMemory brings requests to a third party without a socket, so that it can run
// in virtual time.
type inMemory struct{ p *thirdParty }

func (m inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	w := &memoryResponse{status: 200, header: make(http.Header)}
	done := make(chan bool, 1)
	go func() {
		aborted := true
		defer func() {
			if aborted && recover() != http.ErrAbortHandler { //nolint:errorlint // what net/http compares with, too
				panic("the handler panicked with something else than http.ErrAbortHandler")
			}
			done <- aborted
		}()
		m.p.ServeHTTP(w, req)
		aborted = false
	}()
	select {
	case aborted := <-done:
		switch {
		case aborted:
			return nil, io.ErrUnexpectedEOF
		case w.hijacked:
			return nil, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
		}
		return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: io.NopCloser(&w.body), Request: req}, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

type memoryResponse struct {
	status   int
	header   http.Header
	body     bytes.Buffer
	hijacked bool
}

func (w *memoryResponse) Header() http.Header         { return w.header }
func (w *memoryResponse) WriteHeader(status int)      { w.status = status }
func (w *memoryResponse) Write(p []byte) (int, error) { return w.body.Write(p) }

func (w *memoryResponse) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.hijacked = true
	conn, other := net.Pipe()
	other.Close()
	return conn, nil, nil
}

// about reports whether d is want, give or take the tenth by which work is spread.
func about(d, want time.Duration) bool { return d >= want*9/10 && d <= want*11/10 }

func TestModes(t *testing.T) {
	for _, tt := range []struct {
		mode   mode
		status int // 0 for an error
		takes  time.Duration
		err    error
	}{
		{mode: well, status: 200, takes: 40 * time.Millisecond},
		{mode: slow, status: 200, takes: 400 * time.Millisecond},
		{mode: hanging, takes: 3 * time.Second, err: context.DeadlineExceeded},
		{mode: failing, status: 502, takes: 25 * time.Millisecond},
		{mode: overloaded, status: 200, takes: 40 * time.Millisecond},
		{mode: resetting, err: syscall.ECONNRESET},
	} {
		synctest.Test(t, func(t *testing.T) {
			var counted atomic.Int64
			p := newThirdParty(60, func() { counted.Add(1) })
			p.script(tt.mode)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "GET", "http://a/", nil)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			resp, err := inMemory{p}.RoundTrip(req) //nolint:bodyclose // it holds nothing
			took := time.Since(begin)
			status := 0
			if resp != nil {
				status = resp.StatusCode
			}
			if status != tt.status || !errors.Is(err, tt.err) || !about(took, tt.takes) || counted.Load() != 1 {
				t.Errorf("%v: got status %d, %v after %v, counted %d, want status %d, %v after %v", tt.mode, status, err, took, counted.Load(), tt.status, tt.err, tt.takes)
			}
		})
	}
}

// Failing and resetting are a fifth of the requests, the same ones each time.
func TestOneInFiveFails(t *testing.T) {
	for _, m := range []mode{failing, resetting} {
		var before []mode
		for range 2 {
			p := newThirdParty(60, func() {})
			p.become(m)
			var got []mode
			failed := 0
			for range 1000 {
				got = append(got, p.next())
				if got[len(got)-1] == m {
					failed++
				}
			}
			if failed < 170 || failed > 230 {
				t.Errorf("%v: %d of 1000 requests failed, want about 200", m, failed)
			}
			if before != nil && !slices.Equal(before, got) {
				t.Errorf("%v: two third parties fail other requests", m)
			}
			before = got
		}
	}
}

// Requests wait in line for a worker, and one whose client has left is worked on.
func TestWorkersAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newThirdParty(60, func() {})
		begin := time.Now()
		var requests sync.WaitGroup
		for range 24 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "GET", "http://a/", nil)
			if err != nil {
				t.Fatal(err)
			}
			requests.Go(func() { p.ServeHTTP(&memoryResponse{header: make(http.Header)}, req) })
		}
		requests.Wait()
		if took := time.Since(begin); !about(took, 120*time.Millisecond) {
			t.Errorf("24 requests to 8 workers, whose clients left: got %v, want three times 40ms", took)
		}
	})
}

// A request that hangs keeps its worker until the client leaves, also when the third
// party is well again.
func TestHangingKeepsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newThirdParty(60, func() {})
		p.become(hanging)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 8 {
			req, err := http.NewRequestWithContext(ctx, "GET", "http://a/", nil)
			if err != nil {
				t.Fatal(err)
			}
			go inMemory{p}.RoundTrip(req) //nolint:errcheck // it hangs
		}
		synctest.Wait()
		p.become(well)
		begin := time.Now()
		if err := get(t.Context(), &http.Client{Transport: inMemory{p}}, "http://a/"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin) - time.Second; !about(took, 40*time.Millisecond) {
			t.Errorf("a request after 8 that hang for 1s: got an answer after 1s and %v, want 1s and 40ms", took)
		}
	})
}

func TestScriptOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newThirdParty(60, func() {})
		p.script(resetting, failing)
		client := &http.Client{Transport: inMemory{p}}
		var got []bool
		for range 3 {
			got = append(got, get(t.Context(), client, "http://a/") == nil)
		}
		if got[0] || got[1] || !got[2] {
			t.Errorf("requests 1 to 3: got good %v, want only the last", got)
		}
	})
}

// On a real connection a reset is one, and close ends what hangs.
func TestOnSockets(t *testing.T) {
	arrived := make(chan struct{}, 100)
	p := newThirdParty(60, func() { arrived <- struct{}{} })
	url, err := p.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	base := newBase()
	client := &http.Client{Transport: base}
	if err := get(t.Context(), client, url); err != nil {
		t.Errorf("well: got %v", err)
	}
	p.script(resetting, resetting) // http.Transport itself repeats the first on another connection
	if err := get(t.Context(), client, url); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("resetting: got %v, want %v", err, syscall.ECONNRESET)
	}
	p.become(hanging)
	for len(arrived) > 0 { // of the requests before
		<-arrived
	}
	failed := make(chan error)
	go func() { failed <- get(t.Context(), client, url) }()
	<-arrived
	p.close()
	if err := <-failed; err == nil {
		t.Error("a request that hangs when the third party ends: got an answer")
	}
}

func TestQuota(t *testing.T) {
	const ms = time.Millisecond
	type request struct {
		at   time.Duration
		want bool
	}
	for name, script := range map[string][]request{
		"a burst of 4, then refused": {{0, true}, {0, true}, {0, true}, {0, true}, {0, false}},
		"2 a second grow back": {
			{0, true}, {0, true}, {0, true}, {0, true}, {500 * ms, true}, {999 * ms, false},
		},
		"refused until left alone for 1s": {
			{0, true}, {0, true}, {0, true}, {0, true}, {0, false},
			{999 * ms, false}, {1998 * ms, false}, {2998 * ms, true}, {2998 * ms, true},
		},
	} {
		q := quota{burst: 4, rate: 2, left: 4}
		start := time.Now()
		for i, r := range script {
			if got := q.take(start.Add(r.at)); got != r.want {
				t.Errorf("%s: request %d at %v: got %t, want %t", name, i+1, r.at, got, r.want)
			}
		}
	}
}

func TestOverloadedSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newThirdParty(60, func() {})
		p.become(overloaded)
		p.quota.left, p.quota.last = 0, time.Now()
		got := map[int]string{}
		for range 2 {
			w := &memoryResponse{header: make(http.Header)}
			p.ServeHTTP(w, nil)
			got[w.status] = w.header.Get("Retry-After")
		}
		if len(got) != 2 || got[429] != "1" || got[503] != "1" {
			t.Errorf("two refusals: got statuses and Retry-After %v, want 429 and 503, each with 1", got)
		}
	})
}
