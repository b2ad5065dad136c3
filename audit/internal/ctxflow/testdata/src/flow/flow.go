// Package flow has contexts that come from everywhere: each call of wait or send says what
// its argument is.
package flow

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"example.com/library"
	"github.com/firebreak-go/firebreak"
	"github.com/gin-gonic/gin"
)

func wait(ctx context.Context) { <-ctx.Done() }

func send(req *http.Request) { _ = req }

type key struct{}

func roots() {
	wait(context.Background()) // is root
	ctx := context.TODO()
	wait(ctx) // is root
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = context.WithValue(ctx, key{}, 1)
	wait(ctx) // is root
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	wait(ctx) // is root
	ctx, cancel = context.WithTimeout(ctx, time.Second)
	defer cancel()
	wait(ctx)                        // is bounded
	wait(context.WithoutCancel(ctx)) // is root
	var none context.Context
	wait(none) // is unknown
}

func optional(limit time.Duration) {
	ctx := context.Background()
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	wait(ctx) // is bounded
	if false {
		ctx, _ = context.WithTimeout(context.Background(), limit)
	}
	wait(ctx) // is bounded
}

const debug = false

func constant(limit time.Duration) {
	ctx := context.Background()
	if debug {
		ctx, _ = context.WithTimeout(ctx, limit)
	}
	wait(ctx) // is root
}

func loop(n int) {
	ctx := context.Background()
	for i := 0; i < n; i++ {
		ctx = context.WithValue(ctx, key{}, i)
	}
	wait(ctx) // is root
}

func captured() {
	ctx := context.Background()
	go func() {
		wait(ctx) // is root
	}()
	bounded, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	func() {
		wait(bounded) // is bounded
		func() {
			wait(bounded) // is bounded
		}()
	}()
}

func capturedInOrder() {
	ctx := context.Background()
	wait(ctx) // is root
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	wait(ctx) // is bounded
	func() {
		wait(ctx) // is bounded
	}()
}

var global = context.Background()

func fromGlobal() {
	wait(global) // is root
}

type server struct {
	ctx     context.Context
	limited context.Context
	given   context.Context
	request *http.Request
}

func newServer(given context.Context) *server {
	limited, _ := context.WithTimeout(given, time.Minute)
	s := &server{limited: limited, given: given}
	s.ctx, _ = context.WithCancel(context.Background())
	return s
}

func (s *server) run() {
	wait(s.ctx)     // is root
	wait(s.limited) // is bounded
	wait(s.given)   // is param, root
}

func startServer() { newServer(context.Background()).run() }

func Exported(ctx context.Context) {
	wait(ctx) // is param, root, open
}

func callsExported() { Exported(context.Background()) }

func limited(ctx context.Context) {
	wait(ctx) // is bounded
}

func deeper(ctx context.Context) {
	limited(ctx)
}

func callsLimited() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	limited(ctx)
	deeper(ctx)
}

func mixed(ctx context.Context) {
	wait(ctx) // is param, root
}

func callsMixed() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	mixed(ctx)
	mixed(context.Background())
}

func uncalled(ctx context.Context) {
	wait(ctx) // is param
}

type waiter interface{ Wait(ctx context.Context) }

type impatient struct{}

func (impatient) Wait(ctx context.Context) {
	wait(ctx) // is bounded
}

func callsInterface(w waiter) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	w.Wait(ctx)
}

func withLimit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Second)
}

func withNoLimit() (string, context.Context) {
	return "", context.Background()
}

func annotate(ctx context.Context, n int) context.Context {
	if n > 3 {
		return annotate(ctx, n-1)
	}
	return context.WithValue(ctx, key{}, n)
}

func results() {
	ctx, cancel := withLimit()
	defer cancel()
	wait(ctx) // is bounded
	_, root := withNoLimit()
	wait(root)              // is root
	wait(annotate(root, 1)) // is root
	wait(annotate(ctx, 1))  // is bounded
}

func retry(ctx context.Context, f func(ctx context.Context)) {
	for range 3 {
		f(ctx)
	}
}

func callsRetry() {
	ctx, cancel := withLimit()
	defer cancel()
	retry(ctx, func(ctx context.Context) {
		wait(ctx) // is bounded
	})
}

func callsRetryOnce() {
	once(context.Background(), func(ctx context.Context) {
		wait(ctx) // is bounded
	})
}

func once(ctx context.Context, f func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	f(ctx)
}

func withMutex(mu *sync.Mutex) {
	mu.Lock()
	defer mu.Unlock()
	ctx, cancel := context.WithDeadline(context.Background(), time.Now())
	defer cancel()
	wait(ctx) // is bounded
}

type task struct {
	context.Context
	name string
}

func runTask(t *task) {
	wait(t) // is bounded
}

func callsTask() {
	ctx, cancel := withLimit()
	defer cancel()
	runTask(&task{Context: ctx})
}

func requests(url string) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return
	}
	send(req) // is root
	ctx, cancel := withLimit()
	defer cancel()
	send(req.WithContext(ctx)) // is bounded
	req = req.Clone(ctx)
	send(req)           // is bounded
	wait(req.Context()) // is bounded
	made, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	send(made) // is bounded
	root, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return
	}
	send(root)            // is root
	send(&http.Request{}) // is root
}

func overwritten(url string) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return
	}
	ctx, cancel := withLimit()
	defer cancel()
	*req = *req.WithContext(ctx)
	send(req) // is bounded
}

func helper(req *http.Request) {
	send(req) // is param, root
}

func callsHelper(url string) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err == nil {
		helper(req)
	}
}

func handler(w http.ResponseWriter, r *http.Request) {
	wait(r.Context()) // is request
	out, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://localhost", nil)
	if err == nil {
		send(out) // is request
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	wait(ctx) // is bounded
	served(ctx, w)
	inHandler(r.Context())
}

func served(ctx context.Context, w http.ResponseWriter) {
	_ = w
	wait(ctx) // is bounded
}

func inHandler(ctx context.Context) {
	wait(ctx) // is param, request
}

func ginHandler(c *gin.Context) {
	wait(c)                   // is request
	wait(c.Request.Context()) // is request
	send(c.Request)           // is request
}

type stream interface {
	Context() context.Context
	SendHeader(map[string]string) error
	RecvMsg(any) error
}

func serveStream(s stream) {
	wait(s.Context()) // is request
}

func poll(ctx context.Context) {
	library.PollWithTimeout(ctx, func(ctx context.Context) {
		wait(ctx) // is bounded
	})
	library.Poll(ctx, func(ctx context.Context) {
		wait(ctx) // is param, unknown, open
	})
	limited, cancel := withLimit()
	defer cancel()
	library.Poll(limited, func(ctx context.Context) {
		wait(ctx) // is bounded
	})
	firebreak.Do(ctx, func(ctx context.Context) error {
		wait(ctx) // is bounded
		return nil
	})
}

func timers(limit time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watchdog := time.AfterFunc(limit, cancel)
	defer watchdog.Stop()
	wait(ctx) // is bounded
	because, cause := context.WithCancelCause(context.Background())
	time.AfterFunc(limit, func() { cause(context.DeadlineExceeded) })
	wait(because) // is bounded
	slept, wake := context.WithCancel(context.Background())
	go func() {
		time.Sleep(limit)
		wake()
	}()
	wait(slept) // is bounded
	received, stop := context.WithCancel(context.Background())
	go func() {
		<-time.After(limit)
		stop()
	}()
	wait(received) // is bounded
	quiet, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	defer close(done)
	go func() {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			end()
		}
	}()
	wait(quiet) // is bounded
	logged, finish := context.WithCancel(context.Background())
	defer finish()
	time.AfterFunc(limit, func() { println("it takes long") })
	wait(logged) // is root
	other, leave := context.WithCancel(context.Background())
	go func() {
		select {
		case <-done:
			leave()
		case <-time.After(limit):
		}
	}()
	wait(other) // is root
	late, last := context.WithCancel(context.Background())
	wait(late) // is root
	time.Sleep(limit)
	last()
	asked, no := context.WithCancel(context.Background())
	go func() {
		for range time.Tick(limit) {
			if debug || len(os.Args) > 3 {
				no()
			}
		}
	}()
	wait(asked) // is root
}

type watched struct {
	context.Context
	watchdog *time.Timer
}

func watch(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchedWork(&watched{Context: ctx, watchdog: time.AfterFunc(limit, cancel)})
}

func watchedWork(t *watched) {
	wait(t) // is bounded
	req, err := http.NewRequestWithContext(t, http.MethodGet, "http://localhost", nil)
	if err == nil {
		send(req) // is bounded
	}
}
