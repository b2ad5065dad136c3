// Overload gives an HTTP server more requests than it can answer, once without
// firebreak and once with it, and shows what callers get:
//
//	go run ./examples/overload
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
		fmt.Fprintf(stderr, "overload: %v; -h shows the flags\n", err)
		return 2
	}
	if err := compare(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "overload: %v\n", err)
		return 1
	}
	return 0
}

// compare drives all loads on both servers and prints what comes of it.
func compare(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	var page *os.File
	if o.html != "" { // now, so that a name that cannot be written does not cost a run
		if page, err = os.Create(o.html); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, page.Close()) }()
	}
	sides, err := newSides(ctx, o.random)
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "A server that can answer %.0f requests/s; callers hang up after %v.\n\n", database.Capacity, patience)
	printHead(stdout)
	rows := driveAll(ctx, o, sides, newProgress(stderr), func(r row) { printRow(stdout, r) })
	fmt.Fprintln(stdout)
	for _, text := range append(findings(rows), remarks(rows)...) {
		console.PrintText(stdout, text)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stdout, "Ended early.")
	}
	if page != nil {
		err = writePage(page, o, rows)
	}
	return err
}
