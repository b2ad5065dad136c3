package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Limits and defaults of the flags. All phases together, the patience of the last callers
// and the shutdown take less than 45s at the most.
const (
	defaultDuration = 33 * time.Second
	minDuration     = time.Second
	maxDuration     = 40 * time.Second
	defaultSeed     = 1
)

const usage = `usage: go run ./examples/grpc [flags]

Calls a gRPC server that gets into trouble, with what grpc-go has and with
firebreak side by side, and shows what callers get.

Each side has a server of its own on 127.0.0.1, with the same service: unary
methods that read (GetItem) and that change something (PlaceOrder), one that
streams its answer (ListItems), and one that is streamed to as well
(QuotePrices). Each call needs a query over one of 8 connections, held for 50ms
on average: 160 calls a second, which neither server is told.

The plain client has a service config that makes calls again that end in
UNAVAILABLE, up to three attempts. Its server limits nothing. The other client
is firebreak's, with the same number of attempts; it reads in the descriptors
which methods are idempotent. Its server sheds load. Callers of both come at
random times at a fixed average rate, whether or not earlier ones were answered,
and give up after 1s: that is the deadline of the call.

  healthy     80 calls/s
  slow        as many; one attempt in five hangs until its caller gives it up
  failing     as many; one in five does its work and then ends in UNAVAILABLE,
              to be made again after 100ms (grpc-retry-pushback-ms)
  down        all end in UNAVAILABLE at once
  well again  as healthy
  overloaded  480 calls/s, three times what a server can do; orders are critical

  calls       callers who came in the phase, the same on both sides
  good        those who got their whole answer in time
  p50, p99    what callers waited, with or without a good answer
  runs        attempts that came to a handler in the phase

Ctrl-C ends it with what there is.

flags:
  -duration D  how long all phases take together, 1s to 40s (33s)
  -throttle    give the plain client's service config retryThrottling, too
  -seed N      when callers come, a number from 0 (1)
  -h           show this

exit status: 0, also after Ctrl-C; 1 if something failed; 2 for a wrong flag
`

// options are what the flags say.
type options struct {
	duration time.Duration
	throttle bool
	seed     uint64
}

// parse returns what args say. The error is [flag.ErrHelp] for -h, or one line.
func parse(args []string) (options, error) {
	o := options{duration: defaultDuration, seed: defaultSeed}
	flags := flag.NewFlagSet("grpc", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("duration", "", func(s string) (err error) {
		o.duration, err = time.ParseDuration(s)
		if err != nil || o.duration < minDuration || o.duration > maxDuration {
			return fmt.Errorf("want a time from %v to %v, such as 20s", minDuration, maxDuration)
		}
		return nil
	})
	flags.BoolVar(&o.throttle, "throttle", false, "")
	flags.Func("seed", "", func(s string) (err error) {
		o.seed, err = strconv.ParseUint(s, 10, 64)
		if err != nil {
			return errors.New("want a whole number from 0")
		}
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, nil
}
