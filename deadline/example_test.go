package deadline_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/firebreak-go/firebreak/deadline"
)

// fetchPrice is code of a service that forgets the deadline.
func fetchPrice(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	price, err := io.ReadAll(resp.Body)
	return string(price), err
}

// An Auditor is put around what makes the calls, and tells which had no deadline.
func Example() {
	prices := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "42.00 EUR") }))
	defer prices.Close()

	// snippet: observe
	auditor := deadline.New(deadline.Config{})
	client := &http.Client{Transport: auditor.RoundTripper(nil)}
	// end snippet
	for range 3 {
		if _, err := fetchPrice(client, prices.URL); err != nil {
			fmt.Println(err)
		}
	}
	client.Timeout = 10 * time.Second // now they have one
	if _, err := fetchPrice(client, prices.URL); err != nil {
		fmt.Println(err)
	}
	for _, site := range auditor.Report().Sites {
		fmt.Println(site.Op, "in", site.Frames[0].Function, "without a deadline:", site.Calls)
	}
	// Output:
	// http.client in fetchPrice without a deadline: 3
}

// At the level Enforce a call gets the deadline that it lacks, or is refused.
func ExampleConfig() {
	// snippet: enforce
	auditor := deadline.New(deadline.Config{
		Level:           deadline.Enforce,
		DefaultDeadline: 10 * time.Second,
		Unbounded: func(op, target string) string {
			if op == "http.client" && target == "feed.example.com" {
				return "the server holds the request until there is news"
			}
			return ""
		},
	})
	// end snippet
	ctx, op, err := auditor.Begin(context.Background(), "kafka.publish", "orders")
	if err != nil {
		fmt.Println(err)
	}
	defer op.End()
	at, ok := ctx.Deadline()
	fmt.Println(ok, time.Until(at).Round(time.Second))
	// Output: true 10s
}

func ExampleAuditor_Check() {
	auditor := deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: true, Logger: slog.New(slog.DiscardHandler)})
	err := auditor.Check(context.Background(), "kafka.publish")
	fmt.Println(errors.Is(err, deadline.ErrNoDeadline))
	// Output: true
}

func ExampleAuditor_Begin() {
	auditor := deadline.New(deadline.Config{})
	// snippet: begin
	publish := func(ctx context.Context, topic, message string) error {
		ctx, op, err := auditor.Begin(ctx, "kafka.publish", topic)
		if err != nil {
			return err
		}
		defer op.End()
		return send(ctx, topic, message)
	}
	// end snippet
	fmt.Println(publish(context.Background(), "orders", "one"), auditor.Report().Sites[0].Targets)
	// Output: <nil> [{orders 1}]
}

func send(context.Context, string, string) error { return nil }

// Where each part of a service gets its hook.
func ExampleNew() {
	mux := http.NewServeMux()
	connector := &script{has: map[string]bool{}}
	// snippet: hooks
	auditor := deadline.New(deadline.Config{Level: deadline.Warn})
	auditor.WatchStacks() // calls of firebreak's Stacks that opted out of a timeout

	http.DefaultClient.Transport = auditor.RoundTripper(nil) // http.Get and its like
	client := &http.Client{Transport: auditor.RoundTripper(nil)}
	db := sql.OpenDB(auditor.Connector(connector))
	dial := auditor.DialContext(nil) // for protocols of your own
	server := &http.Server{Handler: auditor.Middleware(mux), ReadHeaderTimeout: 10 * time.Second}

	mux.Handle("GET /debug/deadlines", auditor) // the report, for those who may see it
	// end snippet
	defer func() { http.DefaultClient.Transport = nil }()
	defer db.Close()
	fmt.Println(client != nil, dial != nil, server.Handler != nil)
	// Output: true true true
}

// The level can come from a flag, the environment or a file.
func ExampleLevel() {
	var level deadline.Level
	if err := level.UnmarshalText([]byte(os.Getenv("DEADLINES_OF_AN_EXAMPLE"))); err != nil {
		fmt.Println(err)
	}
	fmt.Println(level)
	// Output:
	// level is "", want observe, warn or enforce
	// observe
}
