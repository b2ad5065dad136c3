// Package ta203 writes responses.
package ta203

import (
	"net/http"
	"time"
)

func plain() error {
	server := &http.Server{ReadHeaderTimeout: time.Second} // want "TA203: this http.Server has no WriteTimeout"
	return server.ListenAndServe()
}

func limited() error {
	server := &http.Server{ReadHeaderTimeout: time.Second, WriteTimeout: time.Second}
	return server.ListenAndServe()
}

func handler(h http.Handler) error {
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.TimeoutHandler(h, time.Second, "")}
	return server.ListenAndServe()
}
