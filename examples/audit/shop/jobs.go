package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"log"
	"net"
	"net/http"
	"net/rpc"
	"net/smtp"
	"os/exec"
)

// rates fetches exchange rates with a client that never times out.
func rates() (*http.Response, error) {
	client := &http.Client{}
	return client.Get("https://rates.example/today")
}

// news asks with the default client.
func news() (*http.Response, error) { return http.Get("https://news.example") }

// metrics serves without any limit.
func metrics() { log.Print(http.ListenAndServe(":9090", nil)) }

// admin serves slow clients for ever.
func admin(handler http.Handler) error {
	server := &http.Server{Addr: ":8080", Handler: handler}
	return server.ListenAndServe()
}

// connect dials without a limit.
func connect() (net.Conn, error) { return net.Dial("tcp", "ledger.example:7000") }

// secure shakes hands without one.
func secure() (*tls.Conn, error) { return tls.Dial("tcp", "ledger.example:7001", nil) }

// notify talks to a mail server that may be silent.
func notify(to string, text []byte) error {
	return smtp.SendMail("mail.example:25", nil, "shop@shop.example", []string{to}, text)
}

// stock waits for an answer of net/rpc.
func stock(item string) (n int, err error) {
	client, err := rpc.Dial("tcp", "stock.example:7002")
	if err != nil {
		return 0, err
	}
	return n, client.Call("Stock.Count", item, &n)
}

// orders makes a query that nothing ends, though a context is at hand.
func orders(ctx context.Context, db *sql.DB) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return db.Query("SELECT id FROM orders")
}

// invoice waits for a program.
func invoice(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return exec.Command("invoice", id).Run()
}

var _ = []any{rates, news, metrics, admin, connect, secure, notify, stock, orders, invoice}
