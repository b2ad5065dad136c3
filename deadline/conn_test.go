package deadline_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/deadline"
)

// dialPipe returns a dial function for one pipe, and its other end.
func dialPipe() (dial func(context.Context, string, string) (net.Conn, error), other net.Conn) {
	near, far := net.Pipe()
	return func(context.Context, string, string) (net.Conn, error) { return near, nil }, far
}

// readGreeting is code that talks a protocol, and waits for ever.
func readGreeting(c net.Conn) (string, error) { return bufio.NewReader(c).ReadString('\n') }

// What takes long without a deadline counts when it does, also if it never ends.
func TestDialContextReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{StuckAfter: time.Minute})
		dial, other := dialPipe()
		c, err := a.DialContext(dial)(background, "tcp", "mail.example.com:25")
		if err != nil {
			t.Fatal(err)
		}
		answer := func(after time.Duration) {
			go func() {
				time.Sleep(after)
				io.WriteString(other, "220 hello\n")
			}()
		}
		answer(59 * time.Second)
		if line, err := readGreeting(c); line != "220 hello\n" || err != nil {
			t.Fatalf("got %q, %v", line, err)
		}
		if got := calls(a)["net.read"]; got != 0 {
			t.Errorf("got %d reads that took long, want none of 59s", got)
		}
		answer(61 * time.Second)
		start := time.Now()
		_, _ = readGreeting(c)
		s := siteOf(t, a, "net.read")
		if s.Calls != 1 || s.Longest != 61*time.Second || s.Targets[0].Target != "mail.example.com:25" || s.Frames[0].Function != "readGreeting" || s.WereStuck != 1 {
			t.Errorf("got %+v after %v, want one read of 61s in readGreeting", s, time.Since(start))
		}
		go readGreeting(c) //nolint:errcheck // it ends with the connection
		time.Sleep(time.Minute)
		synctest.Wait()
		if r := a.Report(); len(r.Stuck) != 1 || r.Stuck[0].Op != "net.read" || calls(a)["net.read"] != 2 {
			t.Errorf("got stuck %+v, %d reads, want the one that hangs to count", r.Stuck, calls(a)["net.read"])
		}
		c.Close()
		synctest.Wait()
		if got := inFlight(a); got != 0 {
			t.Errorf("got %d in flight after Close, want 0", got)
		}
	})
}

func siteOf(t *testing.T, a *deadline.Auditor, op string) deadline.Site {
	t.Helper()
	sites := a.Report().Sites
	i := slices.IndexFunc(sites, func(s deadline.Site) bool { return s.Op == op })
	if i < 0 {
		t.Fatalf("got no site of %s: %+v", op, sites)
	}
	return sites[i]
}

// A deadline that is set bounds what begins after it, until it is taken away.
func TestDialContextDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := time.Now().Add(time.Hour)
		type setter = func(net.Conn, time.Time) error
		for _, test := range []struct {
			name         string
			set          setter
			reads, sends int64 // that count
		}{
			{"none", func(net.Conn, time.Time) error { return nil }, 1, 1},
			{"both", net.Conn.SetDeadline, 0, 0},
			{"read", net.Conn.SetReadDeadline, 0, 1},
			{"write", net.Conn.SetWriteDeadline, 1, 0},
		} {
			a := deadline.New(deadline.Config{StuckAfter: time.Second})
			dial, other := dialPipe()
			c, _ := a.DialContext(dial)(background, "tcp", "mail.example.com:25")
			use := func() {
				go func() {
					time.Sleep(2 * time.Second)
					io.WriteString(other, "x")
					time.Sleep(2 * time.Second)
					_, _ = io.ReadFull(other, make([]byte, 1))
				}()
				_, _ = c.Read(make([]byte, 1))
				io.WriteString(c, "x")
			}
			if err := test.set(c, far); err != nil {
				t.Fatal(err)
			}
			use()
			if got := calls(a); got["net.read"] != test.reads || got["net.write"] != test.sends {
				t.Errorf("%s: got %v, want %d reads, %d writes", test.name, got, test.reads, test.sends)
			}
			_ = test.set(c, time.Time{})
			use()
			if got := calls(a); got["net.read"] != test.reads+1 || got["net.write"] != test.sends+1 {
				t.Errorf("%s, taken away: got %v, want one more of each", test.name, got)
			}
			c.Close()
		}
	})
}

func TestDialContextDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deadlines []bool
		hangs := func(ctx context.Context, _, _ string) (net.Conn, error) {
			_, ok := ctx.Deadline()
			deadlines = append(deadlines, ok)
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(2 * time.Minute):
				return nil, syscall.ECONNREFUSED
			}
		}
		ctx, cancel := context.WithTimeout(background, time.Hour)
		defer cancel()
		a := deadline.New(deadline.Config{})
		for _, ctx := range []context.Context{background, ctx} {
			if _, err := a.DialContext(hangs)(ctx, "tcp", "10.0.0.1:25"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("got %v, want what dial says", err)
			}
		}
		if s := only(t, a); s.Op != "net.dial" || s.Calls != 1 || s.Longest != 2*time.Minute {
			t.Errorf("got %+v, want one dial of 2m", s)
		}
		a = deadline.New(deadline.Config{Level: deadline.Enforce, DefaultDeadline: 5 * time.Second, Logger: discard})
		start := time.Now()
		if _, err := a.DialContext(hangs)(background, "tcp", "10.0.0.1:25"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("enforced: got %v after %v, want the deadline after 5s", err, time.Since(start))
		}
		a = deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: true, Logger: discard})
		if _, err := a.DialContext(hangs)(background, "tcp", "10.0.0.1:25"); !errors.Is(err, deadline.ErrNoDeadline) {
			t.Errorf("refused: got %v", err)
		}
		if diff := cmp.Diff([]bool{false, true, true}, deadlines); diff != "" {
			t.Errorf("contexts with a deadline, -want +got:\n%s", diff)
		}
	})
}

// What a connection can do, it can do when it is watched, or it is not watched.
func TestDialContextKeepsTheKind(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	dial := deadline.New(deadline.Config{}).DialContext(nil)
	c, err := dial(background, "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tcp, ok := c.(interface {
		io.ReaderFrom
		io.WriterTo
		syscall.Conn
		CloseRead() error
		CloseWrite() error
		SetNoDelay(noDelay bool) error
		SetKeepAlive(keepalive bool) error
		File() (*os.File, error)
		NetConn() net.Conn
	})
	if !ok {
		t.Fatalf("a %T lacks what a TCP connection has", c)
	}
	if _, ok := tcp.NetConn().(*net.TCPConn); !ok {
		t.Errorf("NetConn: got a %T", tcp.NetConn())
	}
	if _, err := (&net.Buffers{[]byte("he"), []byte("llo")}).WriteTo(c); err != nil {
		t.Error(err)
	}
	if err := tcp.CloseWrite(); err != nil {
		t.Error(err)
	}
	if echo, err := io.ReadAll(c); string(echo) != "hello" || err != nil {
		t.Errorf("got %q, %v, want the echo", echo, err)
	}

	udp, err := dial(background, "udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if _, ok := udp.(*net.UDPConn); !ok {
		t.Errorf("got a %T, want the packet connection itself, as a resolver asks for", udp)
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	for _, inner := range []net.Conn{tls.Client(near, &tls.Config{ServerName: "example.com"}), halfCloser{near}} {
		dial := deadline.New(deadline.Config{}).DialContext(func(context.Context, string, string) (net.Conn, error) { return inner, nil })
		if c, _ := dial(background, "tcp", "example.com:443"); c != inner {
			t.Errorf("got a %T, want the %T itself", c, inner)
		}
	}
}

type halfCloser struct{ net.Conn }

func (halfCloser) CloseWrite() error { return nil }

// The goroutine of net/http that waits on an idle connection is nobody's call.
func TestDialContextUnderHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{StuckAfter: time.Second})
		dial, other := dialPipe()
		transport := &http.Transport{DialContext: a.DialContext(dial), IdleConnTimeout: time.Hour}
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		go func() {
			time.Sleep(time.Millisecond)
			req, _ := http.ReadRequest(bufio.NewReader(other))
			if req != nil {
				io.WriteString(other, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}()
		resp, err := transport.RoundTrip(get(t, ctx, "http://api.example.com/"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if r := a.Report(); len(r.Stuck) != 0 || calls(a)["net.read"] != 0 {
			t.Errorf("got %+v, want nothing that is stuck", r.Sites)
		}
		transport.CloseIdleConnections()
	})
}

// Reads of a connection that was dialled for what has no deadline by design.
func TestDialContextUnbounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{StuckAfter: time.Second})
		dial, other := dialPipe()
		c, _ := a.DialContext(dial)(deadline.Unbounded(background, "a subscription"), "tcp", "queue.example.com:61613")
		go func() {
			time.Sleep(time.Hour)
			io.WriteString(other, "\n")
		}()
		_, _ = readGreeting(c)
		if s := siteOf(t, a, "net.read"); s.Reason != "a subscription" || s.Calls != 1 || s.WereStuck != 0 {
			t.Errorf("got %+v, want one by design", s)
		}
		c.Close()
	})
}

// recurse calls f below that many frames of the package at hand.
func recurse(frames int, f func()) {
	if frames == 0 {
		f()
		return
	}
	recurse(frames-1, f)
}

// However much of a library is between, the code of the service is the site.
func TestDeepWrappers(t *testing.T) {
	a := deadline.New(deadline.Config{Wrappers: []string{"github.com/firebreak-go/firebreak/deadline_test"}})
	call := func() { recurse(16, func() { _ = a.Check(background, "cache.load") }) }
	for range 3 {
		_ = strings.Map(func(r rune) rune { call(); return r }, "x")
		_ = slices.ContainsFunc([]int{1}, func(int) bool { call(); return true })
	}
	var got []string
	for _, s := range a.Report().Sites {
		got = append(got, s.Frames[0].Package)
		if s.Calls != 3 {
			t.Errorf("got %d calls in %v, want 3", s.Calls, s.Frames)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"slices", "strings"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A wrapper that the Auditor is told of is no call site.
func TestWrappers(t *testing.T) {
	for _, wrappers := range [][]string{nil, {"bufio", "strings"}, {"github.com/firebreak-go/firebreak/deadline_test"}} {
		a := deadline.New(deadline.Config{Wrappers: wrappers})
		_ = strings.Map(func(r rune) rune { _ = load(a, background); return r }, "x")
		want := "load"
		if len(wrappers) == 1 {
			want = "Map"
		}
		if s := only(t, a); s.Frames[0].Function != want {
			t.Errorf("%v: got %s first, want %s", wrappers, s.Frames[0], want)
		}
	}
}
