package firebreakhttp

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/firebreak-go/firebreak"
)

// drained is how much of a request body net/http reads, after an answer, to use the
// connection again.
const drained = 256 << 10

// statusGone is what servers write down for a client that has left without an answer.
// It is never sent.
const statusGone = 499

// refuse answers a request that the handler has not seen, because of err.
func (g *guard) refuse(err error) {
	if errors.Is(err, context.Canceled) && errors.Is(g.req.Context().Err(), context.Canceled) {
		g.gone, g.ended = true, true
		panic(http.ErrAbortHandler) // the server would send a 200 to one who is still there after all
	}
	code, after, closing := http.StatusServiceUnavailable, time.Duration(0), false
	if rejection, ok := errors.AsType[*firebreak.RejectedError](err); ok {
		if rejection.Policy == "rate" {
			code = http.StatusTooManyRequests // the caller's own doing
		}
		after, closing = rejection.RetryAfter, rejection.Reason == "closing"
	}
	g.status, g.ended = code, true
	large := g.req.ContentLength < 0 || g.req.ContentLength > drained
	if !closing { // else another server may have room, at once
		after = max(after, time.Second)
	}
	g.reply(code, after, large || closing)
}

// What replies consist of, in the form in which it is written. Nobody changes it in
// place.
var (
	textPlain = []string{"text/plain; charset=utf-8"}
	noSniff   = []string{"nosniff"}
	toClose   = []string{"close"}
	tooBusy   = []byte(http.StatusText(http.StatusServiceUnavailable))
	tooMany   = []byte(http.StatusText(http.StatusTooManyRequests))
	seconds   = func() (values [81][]string) {
		for i := range values {
			values[i] = []string{strconv.Itoa(i)}
		}
		return values
	}()
)

func wholeNumber(n int64) []string {
	if n >= 0 && n < int64(len(seconds)) {
		return seconds[n]
	}
	return []string{strconv.FormatInt(n, 10)}
}

// reply writes an answer of ours to the server. HTTP/2 takes Connection: close for the
// end of all that share the connection, and needs none.
func (g *guard) reply(code int, after time.Duration, toBeClosed bool) {
	text := tooBusy
	if code == http.StatusTooManyRequests {
		text = tooMany
	}
	h := g.w.Header()
	for _, name := range []string{"Content-Encoding", "Etag", "Last-Modified", "Cache-Control", "Trailer"} {
		delete(h, name)
	}
	h["Content-Type"], h["X-Content-Type-Options"] = textPlain, noSniff
	h["Content-Length"] = wholeNumber(int64(len(text)))
	if after > 0 {
		h["Retry-After"] = wholeNumber(int64((after-1)/time.Second) + 1)
	}
	if toBeClosed && g.req.ProtoMajor < 2 {
		h["Connection"] = toClose
	}
	g.w.WriteHeader(code)
	if g.req.Method != http.MethodHead {
		_, _ = g.w.Write(text)
	}
}
