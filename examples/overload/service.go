package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"

	"github.com/firebreak-go/firebreak/examples/internal/database"
)

// pageSize is how much is hashed for an answer: some tenths of a millisecond of CPU.
const pageSize = 256 << 10

// A service answers requests as many do: with a query over a connection of a pool, and
// some computing. It heeds the context of the request in all that it does: nothing is
// begun, or gone on with, for a caller of whom it knows that he has left.
type service struct {
	db   *database.DB
	page []byte
}

func newService(random bool) *service {
	return &service{db: database.New(random), page: make([]byte, pageSize)}
}

// ServeHTTP implements [http.Handler].
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.db.Query(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable) // mostly to nobody
		return
	}
	sum := sha256.Sum256(s.page)
	_, _ = io.WriteString(w, hex.EncodeToString(sum[:])) // a client that is gone is no news
}
