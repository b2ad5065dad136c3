// Thirdparty calls a third party that gets into every kind of trouble, with a plain
// http.Client and with firebreak side by side, and shows what each makes of it:
//
//	go run ./examples/thirdparty
//
// Run it with -h for what it does and what its table says.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/examples/internal/console"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the program with args and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "thirdparty: %v; -h shows the flags\n", err)
		return 2
	}
	status := 0
	spans, err := startTelemetry(ctx, o.otlp)
	if err == nil {
		if o.url == "" {
			err = runBuiltIn(ctx, o, spans, stdout)
		} else {
			runURL(ctx, o, spans, stdout)
		}
	}
	if err == nil {
		err = spans.stop(ctx)
	}
	if err != nil {
		fmt.Fprintf(stderr, "thirdparty: %v\n", err)
		status = 1
	}
	return status
}

// patience is for how long callers of the built-in third party wait.
const patience = time.Second

// runBuiltIn drives both sides, each against a third party of its own.
func runBuiltIn(ctx context.Context, o options, spans *telemetry, stdout io.Writer) error {
	phases := script(o.duration)
	plain := &side{name: "plain", workers: scaled(30, o.rps), tally: newTally(len(phases))}
	guarded := &side{name: "firebreak", workers: plain.workers, tally: newTally(len(phases))}
	parties := []*thirdParty{newThirdParty(o.rps, plain.tally.attempted), newThirdParty(o.rps, guarded.tally.attempted)}
	urls := make([]string, len(parties))
	for i, p := range parties {
		url, err := p.listen(ctx)
		if err != nil {
			return err
		}
		defer p.close() //nolint:revive,gocritic // both last as long as the run
		urls[i] = url + "/balance"
	}
	stack := newStack(o.rps, spans.tracers, spans.meters)
	plain.get = plainGetter(newBase(), urls[0])
	guarded.get = firebreakGetter(newBase(), stack, urls[1])

	fmt.Fprintf(stdout, "%d calls/s for %v; callers give up after %v; a side has %d workers.\n\n",
		o.rps, o.duration, patience, plain.workers)
	printPart(stdout, "plain", plainText)
	printPart(stdout, "firebreak", pipeline(stack))
	fmt.Fprintln(stdout)

	screen := newScreen(stdout, phases, []*side{plain, guarded}, stack)
	l := load{
		rps: o.rps, patience: patience, phases: phases, sides: []*side{plain, guarded},
		tick: screen.update, left: screen.finish,
		entered: func(n int) {
			for _, p := range parties {
				p.become(phases[n].mode)
			}
		},
	}
	l.run(ctx)
	printTable(stdout, phases, []*side{plain, guarded})
	printFindings(stdout, phases, plain.tally, guarded.tally)
	if ctx.Err() != nil {
		fmt.Fprintln(stdout, "\nEnded early.")
		return nil
	}
	showRetry(ctx, parties[1], urls[1], newStack(o.rps, spans.tracers, spans.meters))
	spans.keeper.print(stdout)
	return nil
}

// showRetry makes a call that fails twice, so that the trace of a retried call is
// there to be shown.
func showRetry(ctx context.Context, p *thirdParty, url string, stack *firebreak.Stack) {
	p.become(well)
	p.script(resetting, failing)
	_ = firebreakGetter(newBase(), stack, url)(ctx, time.Now().Add(patience)) // the trace shows how it ended
}

// urlPatience is for how long callers of a real address wait.
const urlPatience = 6 * time.Second

// runURL drives firebreak's side alone.
func runURL(ctx context.Context, o options, spans *telemetry, stdout io.Writer) {
	phases := quarters(o.duration)
	s := &side{name: "firebreak", workers: 2 * maxURLRPS, tally: newTally(len(phases))}
	stack := newStackForURL(spans.tracers, spans.meters)
	s.get = firebreakGetter(countingBase{newBase(), s.tally.attempted}, stack, o.url)

	fmt.Fprintf(stdout, "GET %s, %d calls/s for %v; callers give up after %v.\n\n", o.url, o.rps, o.duration, urlPatience)
	printPart(stdout, "firebreak", pipeline(stack))
	fmt.Fprintln(stdout)

	screen := newScreen(stdout, phases, []*side{s}, stack)
	l := load{
		rps: o.rps, patience: urlPatience, phases: phases, sides: []*side{s},
		entered: func(int) {}, tick: screen.update, left: screen.finish,
	}
	l.run(ctx)
	printTable(stdout, phases, []*side{s})
	if err := s.tally.lastErr; err != nil { // the load has ended: nobody changes it any more
		fmt.Fprintln(stdout)
		console.PrintWrapped(stdout, "The last bad call ended with: ", strings.Fields(err.Error()))
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stdout, "\nEnded early.")
	}
	spans.keeper.print(stdout)
}

// newBase returns a transport as http.DefaultTransport is, with connections of its
// own.
func newBase() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	return base.Clone()
}

// state returns the state of the breaker of stack.
func state(stack *firebreak.Stack) string {
	state := ""
	stack.Report(func(s firebreak.Status) {
		if s.State != "" {
			state = s.State
		}
	})
	return state
}
