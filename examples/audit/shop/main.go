// Command shop is a small service with the gaps that services have. It is what
// examples/audit audits and runs; it serves on loopback, until its input ends.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/firebreak-go/firebreak/deadline"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run() error {
	auditor := deadline.New(deadline.Config{})
	prices := newPrices(auditor.RoundTripper(nil), queue{auditor})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /price/{item}", prices.handle)
	mux.HandleFunc("GET /upstream", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "12.50\n") })
	mux.Handle("GET /debug/deadlines", auditor)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	prices.url = "http://" + listener.Addr().String() + "/upstream"
	server := &http.Server{Handler: auditor.Middleware(mux)} // on loopback, where nobody is slow
	go func() { _ = server.Serve(listener) }()
	fmt.Println(listener.Addr())

	_, _ = io.Copy(io.Discard, os.Stdin) // whoever started it closes this
	return server.Shutdown(context.Background())
}
