package firebreakhttp_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// A client for a third party. Here that fails the first time, which the caller
// does not get to see.
func Example() {
	calls := 0
	thirdParty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			http.Error(w, "try again", http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, "charge %s: paid", r.URL.Path[1:])
	}))
	defer thirdParty.Close()

	client := firebreakhttp.NewClient("payments") // timeouts, retries, breaker and bulkhead per host
	defer client.CloseIdleConnections()
	resp, err := client.Get(thirdParty.URL + "/42")
	if err != nil {
		log.Print(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(body), err)
	fmt.Println(calls, "attempts")
	// Output:
	// 200 charge 42: paid <nil>
	// 2 attempts
}

// The policies composed by hand, around any http.RoundTripper.
func ExampleTransport() {
	stack := firebreak.New("payments",
		timeout.New(10*time.Second), // the whole call
		retry.New(retry.Config{}),
		breaker.New(breaker.Config{}),
		bulkhead.New(bulkhead.Config{MaxCalls: 64}),
		timeout.New(2*time.Second), // each attempt
	)
	client := &http.Client{Transport: firebreakhttp.Transport(nil, stack)}
	_ = client // client.Get(…)
	fmt.Println(stack)
	// Output:
	// payments: timeout 10s → retry 3 attempts → breaker 0.5 of 30s → bulkhead 64 → timeout 2s
}
