package main

import (
	"context"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// A mode is how the third party is.
type mode int

const (
	// well answers after wellTime.
	well mode = iota
	// slow answers after slowTime: too few calls a second for what is asked of it.
	slow
	// hanging takes requests and never answers them, not even when it is well again:
	// each keeps its worker until the client leaves.
	hanging
	// failing answers one request in five with 502.
	failing
	// overloaded answers 429 and 503 with Retry-After beyond its quota.
	overloaded
	// resetting resets the connection of one request in five, and keeps none open:
	// http.Transport itself repeats a request for which a connection was used again.
	resetting
)

// String returns the mode in lower case: "well", "slow", "hanging", "failing",
// "overloaded", "resetting".
func (m mode) String() string {
	return [...]string{"well", "slow", "hanging", "failing", "overloaded", "resetting"}[m]
}

// How long a worker of the third party is busy with a request, spread by a tenth
// either way. To refuse it takes as long as to serve it.
const (
	wellTime    = 40 * time.Millisecond
	slowTime    = 400 * time.Millisecond
	failingTime = 25 * time.Millisecond
)

// oneIn is the share of requests that a failing or resetting third party fails.
const oneIn = 5

// A thirdParty is a service of somebody else's. It has a fixed number of workers,
// for which requests wait in line; one whose client has left is worked on all the
// same, as servers do that learn of it only when they write.
type thirdParty struct {
	counted func()        // called once per request
	workers chan struct{} // holds one element per busy worker
	stop    chan struct{} // closed at the end
	server  *http.Server  // nil if it does not listen
	served  chan struct{} // closed when server has ended

	mu      sync.Mutex // guards the fields below
	mode    mode
	scripts []mode     // of the next requests, before mode counts
	dice    *rand.Rand // the same for each third party
	quota   quota
}

// newThirdParty returns a third party that is well and could then serve three times
// rps requests a second.
func newThirdParty(rps int, counted func()) *thirdParty {
	return &thirdParty{
		counted: counted,
		workers: make(chan struct{}, scaled(8, rps)),
		stop:    make(chan struct{}),
		dice:    rand.New(rand.NewPCG(1, 2)), // the same traffic for each side
		quota:   newQuota(rps),
	}
}

// scaled returns n, which is right for 60 calls a second, for rps calls a second.
func scaled(n, rps int) int { return max(2, (n*rps+59)/60) }

// become changes the mode.
func (p *thirdParty) become(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
}

func (p *thirdParty) is(m mode) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode == m
}

// script says how the next requests fare, one by one, whatever the mode.
func (p *thirdParty) script(modes ...mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts = modes
}

// next returns the mode for a request.
func (p *thirdParty) next() mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.scripts) > 0 {
		m := p.scripts[0]
		p.scripts = p.scripts[1:]
		return m
	}
	if (p.mode == failing || p.mode == resetting) && p.dice.IntN(oneIn) != 0 {
		return well
	}
	return p.mode
}

// ServeHTTP serves a request as the mode is when a worker takes it.
func (p *thirdParty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.counted()
	select {
	case p.workers <- struct{}{}:
		defer func() { <-p.workers }()
	case <-p.stop:
		panic(http.ErrAbortHandler)
	}
	m := p.next()
	if p.is(resetting) {
		w.Header().Set("Connection", "close")
	}
	switch m {
	case well:
		p.work(wellTime)
		answer(w, http.StatusOK)
	case slow:
		p.work(slowTime)
		answer(w, http.StatusOK)
	case hanging:
		select {
		case <-r.Context().Done(): // the client has left
		case <-p.stop:
		}
		panic(http.ErrAbortHandler)
	case failing:
		p.work(failingTime)
		answer(w, http.StatusBadGateway)
	case overloaded:
		status := p.take()
		p.work(wellTime)
		if status != http.StatusOK {
			w.Header().Set("Retry-After", "1")
		}
		answer(w, status)
	case resetting:
		reset(w)
	}
}

// work keeps a worker busy.
func (p *thirdParty) work(d time.Duration) {
	timer := time.NewTimer(d*9/10 + rand.N(d/5))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.stop:
	}
}

// take takes a request from the quota and returns the status of the answer.
func (p *thirdParty) take() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.quota.take(time.Now()):
		return http.StatusOK
	case p.quota.refused%2 == 0:
		return http.StatusServiceUnavailable
	default:
		return http.StatusTooManyRequests
	}
}

func answer(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"status":"`+http.StatusText(status)+`"}`) // a client that is gone is no news
}

// reset resets the connection: the client sees ECONNRESET.
func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack() //nolint:forcetypeassert // HTTP/1.1 is all that is served
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // Close sends RST, not FIN
	}
	_ = conn.Close()
}

// listen serves the third party on a port of 127.0.0.1.
func (p *thirdParty) listen(ctx context.Context) (url string, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	p.server = &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // it resets connections on purpose
	}
	p.served = make(chan struct{})
	go func() {
		defer close(p.served)
		_ = p.server.Serve(listener) // it ends with close
	}()
	return "http://" + listener.Addr().String(), nil
}

// close ends the third party, with all that is under way.
func (p *thirdParty) close() {
	close(p.stop)
	if p.server != nil {
		_ = p.server.Close()
		<-p.served
	}
}
