package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Limits and defaults of the flags. At most, all loads on both servers take
// 12 × (3.8s + the patience of the last callers): less than a minute.
const (
	defaultStep = 3600 * time.Millisecond
	minStep     = 100 * time.Millisecond
	maxStep     = 3800 * time.Millisecond
	defaultSeed = 1
)

const usage = `usage: go run ./examples/overload [flags]

Gives an HTTP server more requests than it can answer: up to 5 times as many,
once without firebreak and once with it, and shows what callers get.

Both servers are net/http on 127.0.0.1 and have the same handler: a query over
one of 8 connections, each held for 50ms on average, and a bit of computing.
That makes 160 requests a second, which neither server is told. The handler
heeds the context of its request and does nothing for a caller who has hung up.
The plain server has all the timeouts of http.Server. The other is
firebreakhttp.NewServer with its defaults, which believes callers from this
machine what they say in Firebreak-Priority and Request-Timeout-Ms.

Callers come at random times at a fixed average rate, the same to both servers,
whether or not earlier ones were answered, and hang up after 1s. 15 % of them
are critical, the others best-effort. Nobody tries again. Of each load the first
two fifths are not counted, so that it shows what comes of a load that lasts.

  load       callers, in multiples of what the server can answer
  good/s     callers who got their answer in time, per second
  critical   the share of the critical callers who did, and what the median
             and 99 of 100 of them waited, answered or not
  refused    callers who got a 503 with Retry-After, by class
  late       callers who hung up, of both classes
  wasted     the share of the connections' time that went to callers who
             hung up before they had their answer

Ctrl-C ends it with what there is.

flags:
  -step D      how long each load lasts on each server, 100ms to 3.8s (3.6s);
               all of them take less than 50s by default, never more than 60s
  -pool ORDER  who gets the next free connection: line, who has waited longest,
               as with pgxpool, go-redis and channels, or random, as with
               database/sql (line)
  -seed N      when callers come, a number from 0 (1)
  -html FILE   write plots and table into one page, too
  -h           show this

exit status: 0, also after Ctrl-C; 1 if something failed; 2 for a wrong flag
`

// options are what the flags say.
type options struct {
	step   time.Duration
	random bool // the order of the pool
	seed   uint64
	html   string // empty for no page
}

// String returns the flags that give the same load.
func (o options) String() string {
	order := "line"
	if o.random {
		order = "random"
	}
	return fmt.Sprintf("-step %v -pool %s -seed %d", o.step, order, o.seed)
}

// parse returns what args say. The error is [flag.ErrHelp] for -h, or one line.
func parse(args []string) (options, error) {
	o := options{step: defaultStep, seed: defaultSeed}
	flags := flag.NewFlagSet("overload", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("step", "", func(s string) (err error) {
		o.step, err = time.ParseDuration(s)
		if err != nil || o.step < minStep || o.step > maxStep {
			return fmt.Errorf("want a time from %v to %v, such as 2s", minStep, maxStep)
		}
		return nil
	})
	flags.Func("pool", "", func(s string) error {
		o.random = s == "random"
		if !o.random && s != "line" {
			return errors.New("want line or random")
		}
		return nil
	})
	flags.Func("seed", "", func(s string) (err error) {
		o.seed, err = strconv.ParseUint(s, 10, 64)
		if err != nil {
			return errors.New("want a whole number from 0")
		}
		return nil
	})
	flags.Func("html", "", func(s string) error {
		if o.html = s; s == "" {
			return errors.New("want the name of a file")
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
