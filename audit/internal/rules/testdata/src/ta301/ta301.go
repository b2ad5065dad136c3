// Package ta301 dials.
package ta301

import (
	"context"
	"net"
	"net/http"
	"net/rpc"
	"strconv"
	"time"

	"example.com/sdk"
)

func plain(addr string) (net.Conn, error) {
	return net.Dial("tcp", addr) // want "TA301: net.Dial waits for the peer"
}

func unknown(network, addr string) (net.Conn, error) {
	return net.Dial(network, addr) // want "TA301: net.Dial waits for the peer"
}

func datagram(addr string) (net.Conn, error) { return net.Dial("udp", addr) }

func socket(addr string) (net.Conn, error) { return net.Dial("unix", addr) }

func loopback(port int) {
	net.Dial("tcp", "localhost:80")
	net.Dial("tcp", "localhost:"+strconv.Itoa(port))
	net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

func own(l net.Listener) { net.Dial("tcp", l.Addr().String()) }

func limited(addr string) { net.DialTimeout("tcp", addr, time.Second) }

func byAddress(addr *net.TCPAddr) (*net.TCPConn, error) {
	return net.DialTCP("tcp", nil, addr) // want "TA301: net.DialTCP waits for the peer as long as the system does, about two minutes; use"
}

func call(addr string) (*rpc.Client, error) {
	return rpc.Dial("tcp", addr) // want "TA301: rpc.Dial waits for the peer"
}

func dialer(addr string) (net.Conn, error) {
	var d net.Dialer // want "TA301: this net.Dialer has no Timeout: Dial without a deadline"
	return d.Dial("tcp", addr)
}

func root(addr string) (net.Conn, error) {
	d := net.Dialer{} // want "TA301: this net.Dialer has no Timeout: DialContext without a deadline"
	return d.DialContext(context.Background(), "tcp", addr)
}

func deadline(addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// CallerDecides dials as long as ctx lets it.
func CallerDecides(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

func timeout(addr string, d time.Duration) (net.Conn, error) {
	dialer := &net.Dialer{}
	dialer.Timeout = d
	return dialer.Dial("tcp", addr)
}

var shared = &net.Dialer{Timeout: time.Second}

func useShared(addr string) (net.Conn, error) { return shared.Dial("tcp", addr) }

// In hooks the limits of what calls them hold.
func hooks(real string) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return net.Dial("tcp", real)
		},
		Dial: (&net.Dialer{}).Dial,
	}
}

func hook(real string) *sdk.Config {
	return &sdk.Config{Dial: func(network, addr string) (net.Conn, error) { return net.Dial("tcp", real) }}
}

// Dialer is no hook: who calls it is not known.
func Dialer(real string) func(network, addr string) (net.Conn, error) {
	return func(network, addr string) (net.Conn, error) {
		return net.Dial(network, real) // want "TA301: net.Dial waits for the peer"
	}
}
