// Grpc calls a gRPC server that turns slow, fails and is overloaded, with what grpc-go has
// and with firebreak side by side, and shows what callers get:
//
//	go run ./examples/grpc
//
// Run it with -h for what it does and what its table says.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/firebreak-go/firebreak/examples/internal/console"
	"github.com/firebreak-go/firebreak/examples/internal/database"
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
		fmt.Fprintf(stderr, "grpc: %v; -h shows the flags\n", err)
		return 2
	}
	if err := compare(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "grpc: %v\n", err)
		return 1
	}
	return 0
}

// compare drives both sides through all phases and prints what comes of it.
func compare(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	phases := script(o.duration)
	sides, err := newSides(ctx, len(phases), o.throttle)
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Servers that can answer %.0f calls/s; callers give up after %v.\n\n", database.Capacity, patience)
	printParts(stdout, o.throttle)
	printHead(stdout)
	line := console.NewLine(stderr)
	finished := 0
	d := drive{
		phases: phases, schedule: newSchedule(o.seed, phases), sides: sides,
		tick: func(n int) {
			line.Showf("%s: plain %d wait, firebreak %d wait", phases[n].name, sides[plain].tally.waiting(), sides[protected].tally.waiting())
		},
		done: func(n int) {
			line.Clear()
			printPhase(stdout, n, phases[n], sides)
			finished++
		},
	}
	d.run(ctx)
	line.Clear()
	fmt.Fprintln(stdout)
	for _, text := range append(findings(results(phases, finished, sides)), remarks(sides)...) {
		console.PrintText(stdout, text)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stdout, "Ended early.")
	}
	return nil
}
