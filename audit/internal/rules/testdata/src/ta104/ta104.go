// Package ta104 makes transports.
package ta104

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"example.com/sdk"
)

func proxy(to *url.URL) *httputil.ReverseProxy {
	p := httputil.NewSingleHostReverseProxy(to)
	p.Transport = &http.Transport{TLSClientConfig: &tls.Config{}} // want "TA104: this http.Transport has no DialContext, TLSHandshakeTimeout, ResponseHeaderTimeout, unlike http.DefaultTransport, and is given to httputil in field Transport"
	return p
}

func library() (*sdk.Client, error) {
	return sdk.NewFromConfig(&sdk.Config{
		Transport: &http.Transport{}, // want "TA104: this http.Transport has no DialContext"
	})
}

func limited() (*sdk.Client, error) {
	return sdk.NewFromConfig(&sdk.Config{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
			TLSHandshakeTimeout: time.Second,
		},
	})
}

func header() (*sdk.Client, error) {
	return sdk.NewFromConfig(&sdk.Config{Transport: &http.Transport{ResponseHeaderTimeout: time.Second}})
}

// A client has a limit of its own, or is a finding of its own.
func inClient() *http.Client {
	return &http.Client{Timeout: time.Second, Transport: sdk.Wrap(&http.Transport{})}
}

func configured() *http.Transport { return &http.Transport{} }
