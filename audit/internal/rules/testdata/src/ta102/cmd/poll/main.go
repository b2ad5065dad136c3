// Command poll makes the clients of api.
package main

import (
	"net/http"
	"time"

	"ta102/api"
)

func main() {
	a := &api.Client{HTTP: &http.Client{}} // want "TA102: this http.Client has no Timeout: Get without a deadline at api.go"
	_ = a.Call()
	b := &api.Client{HTTP: &http.Client{Timeout: time.Second}}
	_ = b.Call()
}
