package snippets

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/policytest"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// flaky answers the first fails requests with 503, and the others with "paid".
func flaky(t *testing.T, fails int) (server *httptest.Server, requests func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		n++
		failed := n <= fails
		mu.Unlock()
		if failed {
			w.WriteHeader(503)
			return
		}
		w.Write([]byte("paid")) //nolint:errcheck // the client is this test
	}))
	t.Cleanup(server.Close)
	return server, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func TestClient(t *testing.T) {
	server, requests := flaky(t, 1)
	body, err := fetch(server.URL)
	if string(body) != "paid" || err != nil || requests() != 2 {
		t.Errorf("fetch: got %q, %v after %d requests, want \"paid\" after 2", body, err, requests())
	}
}

func TestStack(t *testing.T) {
	stack, composed := composed()
	want := "payments: timeout 10s → retry 3 attempts → " + breaker.New(breaker.Config{}).Describe().Text + " → bulkhead 64 → timeout 2s"
	if got := stack.String(); got != want {
		t.Errorf("Stack.String: got %s, want %s", got, want)
	}
	for name, client := range map[string]*http.Client{"composed": composed, "per host": perHost()} {
		server, requests := flaky(t, 1)
		resp, err := client.Get(server.URL)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || requests() != 2 {
			t.Errorf("%s: got status %d after %d requests, want 200 after 2", name, resp.StatusCode, requests())
		}
	}
}

func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stack := firebreak.New("users", timeout.New(10*time.Second), retry.New(retry.Config{}))
		n := 0
		u, err := lookup(t.Context(), stack, func(context.Context) (user, error) {
			n++
			if n < 3 {
				return user{}, errors.New("reset")
			}
			return user{"ada"}, nil
		})
		if u.Name != "ada" || err != nil || n != 3 {
			t.Errorf("lookup: got %v, %v after %d attempts, want ada after 3", u, err, n)
		}
	})
}

func TestRejected(t *testing.T) {
	b := breaker.New(breaker.Config{})
	b.ForceOpen()
	u, err := lookupOr(t.Context(), firebreak.New("users", b), func(context.Context) (user, error) {
		t.Error("the call was made, want it rejected")
		return user{}, nil
	}, user{"cached"})
	if u.Name != "cached" || err != nil {
		t.Errorf("lookupOr: got %v, %v, want the cached user", u, err)
	}
}

func TestPolicy(t *testing.T) {
	stack := firebreak.New("users", Fallback{Value: user{"nobody"}})
	u, err := lookup(t.Context(), stack, func(context.Context) (user, error) { return user{}, errors.New("down") })
	if u.Name != "nobody" || err != nil {
		t.Errorf("after a failure: got %v, %v, want the fallback", u, err)
	}
	u, err = lookup(t.Context(), stack, func(context.Context) (user, error) { return user{"ada"}, nil })
	if u.Name != "ada" || err != nil {
		t.Errorf("after a success: got %v, %v, want ada", u, err)
	}
	policytest.Run(t, func() firebreak.Policy { return Fallback{Value: "fallback"} })
}

func TestGate(t *testing.T) {
	s := new(Switch)
	stack := firebreak.New("users", s)
	fetch := func(context.Context) (user, error) { return user{"ada"}, nil }
	if u, err := lookup(t.Context(), stack, fetch); u.Name != "ada" || err != nil {
		t.Errorf("on: got %v, %v, want ada", u, err)
	}
	s.Off.Store(true)
	_, err := lookup(t.Context(), stack, fetch)
	if !errors.Is(err, errOff) || err.Error() != "switch users: off" {
		t.Errorf("off: got %v, want %v", err, "switch users: off")
	}
	policytest.Run(t, func() firebreak.Policy { return new(Switch) })
}

func TestSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		defer logEvents(slog.New(slog.NewTextHandler(&out, nil)))()
		s := new(Switch)
		s.Off.Store(true)
		_, err := lookup(t.Context(), firebreak.New("users", s), func(context.Context) (user, error) { return user{}, nil })
		if err == nil {
			t.Fatal("lookup through a switch that is off: got no error")
		}
		synctest.Wait()
		for _, want := range []string{"stack=users", "kind=reject", "policy=switch", "reason=off"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("log: got %s, want it with %s", out.String(), want)
			}
		}
	})
}

func TestOTel(t *testing.T) {
	paths := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { paths <- req.URL.Path }))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	before := otel.GetTracerProvider()
	defer otel.SetTracerProvider(before)
	shutdown, err := exportTraces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stack := firebreak.New("users")
	if _, err := lookup(t.Context(), stack, func(context.Context) (user, error) { return user{"ada"}, nil }); err != nil {
		t.Fatal(err)
	}
	if err := shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if path := <-paths; path != "/v1/traces" {
		t.Errorf("collector: got a request for %s, want /v1/traces", path)
	}
}
