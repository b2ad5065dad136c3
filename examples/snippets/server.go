package snippets

import (
	"net/http"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

func server(mux *http.ServeMux) *http.Server {
	// snippet: server
	srv := firebreakhttp.NewServer(":8080", mux)
	// end snippet
	return srv
}

func handler(mux *http.ServeMux, inside func(*http.Request) bool) (http.Handler, *shed.Shed) {
	// snippet: handler
	limiter := shed.New(shed.Config{}) // give limiter.Close to http.Server.RegisterOnShutdown
	stack := firebreak.New("shop",
		limiter,
		firebreak.Keyed(firebreakhttp.ByRoute, func(string) firebreak.Policy {
			return bulkhead.New(bulkhead.Config{}) // no route takes all
		}),
		timeout.New(5*time.Second), // the handler
	)
	streams := firebreak.New("streams", bulkhead.New(bulkhead.Config{MaxCalls: 1000}), timeout.Unbounded("event streams"))
	shop := firebreakhttp.Handler(mux, stack,
		firebreakhttp.Trust(inside), // whose deadlines and priorities count
		firebreakhttp.Exempt(firebreakhttp.Routes("GET /healthz")),
		firebreakhttp.LongRunning(firebreakhttp.Routes("GET /events"), streams),
	)
	// end snippet
	return shop, limiter
}

func quota(apiKey func(*http.Request) string) firebreak.Policy {
	// snippet: rate
	perCaller := firebreak.Keyed(
		func(c firebreak.Call) string { return apiKey(firebreakhttp.RequestOf(c)) }, // checked before, not just sent
		func(string) firebreak.Policy { return shed.Rate(100, 200) },                // a second, and at once
	)
	// end snippet
	return perCaller
}
