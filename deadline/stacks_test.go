package deadline_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/deadline"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// Of all Stacks those are seen that have no timeout by design, with the reason, to the
// end of their results.
func TestWatchStacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: true, Logger: discard})
		stop := a.WatchStacks()
		defer stop()
		feed := firebreak.New("feed", timeout.Unbounded("waits for news"))
		prices := firebreak.New("prices")
		wait := func(ctx context.Context) (string, error) {
			time.Sleep(3 * time.Second)
			return "", a.Check(ctx, "within") // also there by design
		}
		for _, stack := range []*firebreak.Stack{feed, feed, prices} {
			if _, err := firebreak.Do(background, stack, "lookup", wait); err != nil {
				t.Error(err)
			}
		}
		bounded, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		if _, err := firebreak.Do(bounded, feed, "lookup", wait); err != nil {
			t.Error(err)
		}
		s := siteOf(t, a, "stack.call")
		if s.Calls != 2 || s.Reason != "waits for news" || s.Longest != 3*time.Second || s.InFlight != 0 || s.Frames[0].Function != "TestWatchStacks.func1" {
			t.Errorf("got %+v, want 2 calls in this test", s)
		}
		if diff := cmp.Diff([]deadline.Target{{Target: "feed", Calls: 2}}, s.Targets); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if s := siteOf(t, a, "within"); s.Calls != 2 || s.Reason != "waits for news" {
			t.Errorf("got %+v, want 2 calls with the reason of the Stack", s)
		}
		stop()
		_, _ = firebreak.Do(background, feed, "lookup", func(context.Context) (string, error) { return "", errors.New("no") })
		if got := calls(a)["stack.call"]; got != 0 || siteOf(t, a, "stack.call").Calls != 2 {
			t.Errorf("after stop: got %+v, want no more", siteOf(t, a, "stack.call"))
		}
	})
}

// A response holds its call until it was read.
func TestWatchStacksHTTP(t *testing.T) {
	a := deadline.New(deadline.Config{})
	t.Cleanup(a.WatchStacks())
	base := roundTrip(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader("news")), Request: req}, nil
	})
	client := &http.Client{Transport: firebreakhttp.Transport(a.RoundTripper(base), firebreak.New("feed", timeout.Unbounded("waits for news")))}
	resp, err := client.Get("http://news.example.com/")
	if err != nil {
		t.Fatal(err)
	}
	if got := inFlight(a); got != 2 {
		t.Errorf("got %d in flight, want 2: the call of the Stack and the request", got)
	}
	resp.Body.Close()
	if got := inFlight(a); got != 0 {
		t.Errorf("got %d in flight after Close, want 0", got)
	}
	for _, op := range []string{"stack.call", "http.client"} {
		if s := siteOf(t, a, op); s.Reason != "waits for news" || s.Frames[0].Function != "TestWatchStacksHTTP" {
			t.Errorf("got %+v, want it by design, in this test", s)
		}
	}
	if s := siteOf(t, a, "stack.call"); s.Targets[0].Target != "feed news.example.com" {
		t.Errorf("got target %q, want the Stack and the host", s.Targets[0].Target)
	}
}

// The calls of a server's Stack are known by their route.
func TestWatchStacksInbound(t *testing.T) {
	a := deadline.New(deadline.Config{})
	t.Cleanup(a.WatchStacks())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", handleOrder)
	h := firebreakhttp.Handler(mux, firebreak.New("server", timeout.Unbounded("events have no end")))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/events", nil))
	if s := only(t, a); s.Op != "stack.call" || s.Route != "GET /events" || s.Reason != "events have no end" || s.Calls != 1 {
		t.Errorf("got %+v, want the route by design", s)
	}
}
