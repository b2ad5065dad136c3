package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"
)

// Limits and defaults of the flags. The load is bounded, and more so against an
// address that is not our own.
const (
	defaultDuration = 24 * time.Second
	minDuration     = 2 * time.Second
	maxDuration     = 10 * time.Minute

	defaultRPS    = 60
	maxRPS        = 300
	defaultURLRPS = 5
	maxURLRPS     = 20
)

const usage = `usage: go run ./examples/thirdparty [flags]

Calls a third party that gets into trouble, with a plain http.Client and with
firebreak side by side, and shows what each makes of it.

The third party is a server of its own for each side, on 127.0.0.1. It is well
at first, then slow, hanging, failing, overloaded and resetting connections, and
well again after each. It could serve three times the load, with a few workers
for which requests wait in line. A request that hangs, as then all do, keeps its
worker until the client leaves. One request in five meets a failure or a reset.
When the third party is overloaded it says so with Retry-After, and stays so
until it has been left alone for that long; refusing takes as long as serving.

The load is the same for both sides: callers who come at a fixed rate, whether
or not earlier ones were served, and give up after 1s. A side has half as many
workers as calls a second come; a call holds one until its client returns.

While it runs there is a line per phase, then a table:

  calls      callers who came in the phase
  good       those who got a good answer before they gave up
  p50, p99   what callers waited, with or without a good answer
  attempts   requests that reached the third party, retries included
  slots      the most workers that were held at once
  recovery   from when the third party was well again until 10 calls in a row
             were good; firebreak waits for its breaker's next probe, or for as
             long as Retry-After said

and the trace of a call that was retried. Ctrl-C ends it with what there is.

flags:
  -duration D      how long the load lasts, 2s to 10m (24s); the phases share it
                   and run into each other if it is below about 15s
  -rps N           calls a second, 1 to 300 (60); with -url 1 to 20 (5)
  -url URL         call this address instead of the built-in third party, with
                   firebreak only; GET, http or https
  -otlp HOST:PORT  export traces and metrics to a collector, by OTLP over HTTP
                   without TLS; usually 127.0.0.1:4318
  -h               show this

exit status: 0, also after Ctrl-C; 1 if something failed; 2 for a wrong flag
`

// options are what the flags say.
type options struct {
	duration time.Duration
	rps      int
	url      string // empty for the built-in third party
	otlp     string // empty for no export
}

// parse returns what args say. The error is [flag.ErrHelp] for -h, or one line.
func parse(args []string) (options, error) {
	o := options{duration: defaultDuration}
	flags := flag.NewFlagSet("thirdparty", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("duration", "", func(s string) (err error) {
		o.duration, err = time.ParseDuration(s)
		if err != nil || o.duration < minDuration || o.duration > maxDuration {
			return errors.New("want a time from 2s to 10m, such as 24s")
		}
		return nil
	})
	flags.Func("rps", "", func(s string) (err error) {
		o.rps, err = strconv.Atoi(s)
		if err != nil || o.rps < 1 || o.rps > maxRPS {
			return fmt.Errorf("want a whole number from 1 to %d", maxRPS)
		}
		return nil
	})
	flags.Func("url", "", func(s string) error {
		o.url = s
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !validPort(u.Port(), true) {
			return errors.New("want an address such as https://api.example.com/health")
		}
		return nil
	})
	flags.Func("otlp", "", func(s string) error {
		o.otlp = s
		host, port, err := net.SplitHostPort(s)
		if err != nil || host == "" || !validPort(port, false) {
			return errors.New("want host:port, such as 127.0.0.1:4318")
		}
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	switch {
	case o.url != "" && o.rps > maxURLRPS:
		return options{}, fmt.Errorf("invalid value %q for flag -rps: want at most %d with -url", strconv.Itoa(o.rps), maxURLRPS)
	case o.rps == 0 && o.url != "":
		o.rps = defaultURLRPS
	case o.rps == 0:
		o.rps = defaultRPS
	}
	return o, nil
}

func validPort(port string, optional bool) bool {
	n, err := strconv.Atoi(port)
	return port == "" && optional || err == nil && n > 0 && n < 1<<16
}
