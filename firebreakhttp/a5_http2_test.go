package firebreakhttp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// Types, flags and codes of HTTP/2 frames: RFC 9113, 6 and 7.
const (
	h2Data, h2Headers, h2ResetStream, h2Settings, h2Ping, h2GoAway = 0, 1, 3, 4, 6, 7

	h2EndStream, h2Ack, h2EndHeaders = 1, 1, 4

	h2NoError, h2InternalError, h2RefusedStream, h2Cancel = 0, 2, 7, 8
)

// An h2Server speaks just enough HTTP/2, frame by frame, to say what real servers
// say under stress.
type h2Server struct {
	// answer is called with the n-th request, from 1 on, once all of it has arrived.
	answer func(c *h2Conn, stream uint32, n int)

	mu       sync.Mutex // guards the fields below
	requests int
	bodies   []string // of the requests, in the order in which they ended
	dials    int
	conns    []*h2Conn
}

// stop closes all connections, so that nothing of a test is left.
func (s *h2Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.conn.Close()
	}
}

// transport returns a transport whose connections lead to the server. It works in a
// bubble of synctest.
func (s *h2Server) transport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: protocols, DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		c := &h2Conn{conn: server, out: make(chan []byte, 1000)}
		s.mu.Lock()
		s.dials++
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		go c.write()
		go s.serve(c)
		return client, nil
	}}
}

func (s *h2Server) serve(c *h2Conn) {
	defer c.close()
	if _, err := io.CopyN(io.Discard, c.conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	c.frame(h2Settings, 0, 0, nil)
	bodies := map[uint32]string{}
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(c.conn, head); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c.conn, payload); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == h2Settings && flags&h2Ack == 0:
			c.frame(h2Settings, h2Ack, 0, nil)
		case kind == h2Ping && flags&h2Ack == 0 && !c.deaf:
			c.frame(h2Ping, h2Ack, 0, payload)
		case kind == h2Data:
			bodies[stream] += string(payload)
		}
		if (kind == h2Headers || kind == h2Data) && flags&h2EndStream != 0 {
			s.mu.Lock()
			s.requests++
			n := s.requests
			s.bodies = append(s.bodies, bodies[stream])
			s.mu.Unlock()
			s.answer(c, stream, n)
		}
	}
}

// got returns how many requests arrived, and their bodies.
func (s *h2Server) got() (requests int, bodies []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, append([]string(nil), s.bodies...)
}

// An h2Conn is a connection to an h2Server.
type h2Conn struct {
	conn net.Conn
	deaf bool        // answers no ping
	out  chan []byte // frames to write: reading must not wait for the client to read
	once sync.Once
}

func (c *h2Conn) write() {
	for b := range c.out {
		if _, err := c.conn.Write(b); err != nil {
			_ = c.conn.Close()
		}
	}
	_ = c.conn.Close()
}

func (c *h2Conn) close() {
	c.once.Do(func() { close(c.out) })
}

func (c *h2Conn) frame(kind, flags byte, stream uint32, payload []byte) {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	b = binary.BigEndian.AppendUint32(b, stream)
	c.out <- append(b, payload...)
}

// ok answers with status 200 and body.
func (c *h2Conn) ok(stream uint32, body string) {
	c.frame(h2Headers, h2EndHeaders, stream, []byte{0x88}) // :status 200 of the static table
	c.frame(h2Data, h2EndStream, stream, []byte(body))
}

// reset ends a stream with code.
func (c *h2Conn) reset(stream uint32, code uint32) {
	c.frame(h2ResetStream, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

// goAway says that streams after last were not looked at.
func (c *h2Conn) goAway(last, code uint32) {
	c.frame(h2GoAway, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code))
}

// post returns a POST of body. hide leaves out GetBody.
func post(t *testing.T, method, body string, hide bool) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://dependency.test/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if hide {
		req.GetBody = nil
	}
	return req
}

// Behaviour 75: "REFUSED_STREAM/GOAWAY. Transport recovers (with GetBody). What
// surfaces: errors.As into a local struct [...]. Code REFUSED_STREAM is safe for
// POST."
func TestA5_75_RefusedStream(t *testing.T) {
	t.Run("net/http recovers by itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := &h2Server{answer: func(c *h2Conn, stream uint32, n int) {
				if n == 1 {
					c.reset(stream, h2RefusedStream)
					return
				}
				c.ok(stream, "made")
			}}
			tr := server.transport()
			defer server.stop()
			seen := &witness{}
			rt := firebreakhttp.Transport(tr, firebreak.New("test", retrying(3, 0), seen))
			resp := mustSend(t, rt, post(t, "POST", "order", false), 200)
			if got := content(t, resp.Body); got != "made" {
				t.Errorf("body %q, want that of the answer", got)
			}
			if n, bodies := server.got(); n != 2 || bodies[1] != "order" {
				t.Errorf("the server got %d requests with bodies %q, want 2 with all of the body", n, bodies)
			}
			seen.want(t, firebreak.Success) // it was one attempt
		})
	})
	t.Run("what surfaces is safe for POST", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const giveUp = 8 // net/http's own attempts
			server := &h2Server{answer: func(c *h2Conn, stream uint32, n int) {
				if n <= giveUp {
					c.reset(stream, h2RefusedStream)
					return
				}
				c.ok(stream, "made")
			}}
			tr := server.transport()
			defer server.stop()
			seen := &witness{}
			rt := firebreakhttp.Transport(tr, firebreak.New("test", timeout.New(time.Hour), retrying(2, 0), seen))
			resp := mustSend(t, rt, post(t, "POST", "order", false), 200)
			_ = content(t, resp.Body)
			n, bodies := server.got()
			if n != giveUp+1 {
				t.Errorf("the server got %d requests, want %d", n, giveUp+1)
			}
			for i, body := range bodies {
				if body != "order" {
					t.Errorf("request %d had the body %q, want all of it", i+1, body)
				}
			}
			seen.want(t, firebreak.Failure, firebreak.Success)
		})
	})
	t.Run("another code is not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := &h2Server{answer: func(c *h2Conn, stream uint32, _ int) { c.reset(stream, h2InternalError) }}
			tr := server.transport()
			defer server.stop()
			rt := firebreakhttp.Transport(tr, firebreak.New("test", retrying(3, 0)))
			_ = mustFail(t, rt, post(t, "POST", "order", false))
			if n, _ := server.got(); n != 1 {
				t.Errorf("the server got %d POSTs, want 1", n)
			}
			_ = mustFail(t, rt, post(t, "PUT", "order", false))
			if n, _ := server.got(); n != 1+3 {
				t.Errorf("the server got %d PUTs, want 3", n-1)
			}
		})
	})
}

// Behaviour 75, for a server that goes away: what it did not look at is sent again
// by net/http; what it may have looked at is not, if that is not safe.
func TestA5_75_GoAway(t *testing.T) {
	t.Run("unseen", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := &h2Server{answer: func(c *h2Conn, stream uint32, n int) {
				if n == 1 {
					c.goAway(0, h2NoError)
					return
				}
				c.ok(stream, "made")
			}}
			tr := server.transport()
			defer server.stop()
			rt := firebreakhttp.Transport(tr, firebreak.New("test", retrying(3, 0)))
			_ = content(t, mustSend(t, rt, post(t, "POST", "order", false), 200).Body)
			if n, _ := server.got(); n != 2 || server.dials != 2 {
				t.Errorf("the server got %d requests on %d connections, want 2 on 2", n, server.dials)
			}
		})
	})
	for _, tt := range []struct {
		method string
		want   int
	}{{"POST", 1}, {"PUT", 3}} {
		t.Run("perhaps seen, "+tt.method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &h2Server{answer: func(c *h2Conn, stream uint32, _ int) {
					c.goAway(stream, h2InternalError)
					c.close()
				}}
				tr := server.transport()
				defer server.stop()
				rt := firebreakhttp.Transport(tr, firebreak.New("test", retrying(3, 0)))
				_ = mustFail(t, rt, post(t, tt.method, "order", false))
				if n, _ := server.got(); n != tt.want {
					t.Errorf("the server got %d requests, want %d", n, tt.want)
				}
			})
		})
	}
}

// Behaviour 76: "`cannot retry err [... REFUSED_STREAM ...]` wraps with %v: only
// text. R: not retried (the body is gone anyway). B: retries with an empty body."
func TestA5_76_RefusedOneShot(t *testing.T) {
	for _, method := range []string{"POST", "PUT"} {
		synctest.Test(t, func(t *testing.T) {
			server := &h2Server{answer: func(c *h2Conn, stream uint32, _ int) { c.reset(stream, h2RefusedStream) }}
			tr := server.transport()
			defer server.stop()
			seen := &witness{}
			err := mustFail(t, firebreakhttp.Transport(tr, firebreak.New("test", retrying(3, 0), seen)), post(t, method, "order", true))
			if n, bodies := server.got(); n != 1 || bodies[0] != "order" {
				t.Errorf("%s: the server got bodies %q, want one", method, bodies)
			}
			if !strings.Contains(err.Error(), "cannot retry") {
				t.Errorf("%s: error %v, want net/http's own", method, err)
			}
			seen.want(t, firebreak.Failure)
		})
	}
}

// A connection that is dead, but not closed, must not take every attempt until the
// kernel gives it up: NewClient pings.
func TestA5_75_DeadConnectionIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dead *h2Conn
		server := &h2Server{answer: func(c *h2Conn, stream uint32, n int) {
			if n == 1 {
				dead, c.deaf = c, true
				c.ok(stream, "fine")
			} else if c != dead {
				c.ok(stream, "fine again")
			}
		}}
		tr := firebreakhttp.NewBase()
		tr.Protocols, tr.DialContext = server.transport().Protocols, server.transport().DialContext
		defer server.stop()
		rt := firebreakhttp.Transport(tr, firebreak.New("test", timeout.New(10*time.Second)))
		_ = content(t, mustSend(t, rt, newRequest(t, "GET", nil), 200).Body)
		begin := time.Now()
		for {
			resp, err := send(t, rt, newRequest(t, "GET", nil))
			if err == nil {
				_ = content(t, resp.Body)
				break
			}
			if time.Since(begin) > time.Minute {
				t.Fatalf("still on the dead connection after %v: %v", time.Since(begin), err)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Logf("an attempt failed with %v", err)
			}
		}
	})
}
