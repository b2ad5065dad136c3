// Table runs the benchmarks of this module and prints what they say as Markdown:
// the time, the memory and the allocations of an operation, the ratio of
// firebreak's time to that of each of the others, and whether the aims are met.
//
// All benchmarks run in several rounds, one round after the other, so that a
// machine that is busy for a while is busy for all. The numbers are the medians of
// the rounds; a ratio is the median of the ratios within a round.
//
// Run it in the folder of the module. With -w it writes the table into README.md.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 15, "how often each benchmark runs")
	benchtime := flag.Duration("benchtime", 100*time.Millisecond, "how long each run lasts, about")
	write := flag.Bool("w", false, "write the table into README.md, too")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 1 || *benchtime <= 0 {
		fmt.Fprintln(os.Stderr, "table: want no arguments, -rounds of 1 or more and -benchtime over 0")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rounds, *benchtime, *write); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1) //nolint:gocritic // the signals need no release at the end of the program
	}
}

func run(ctx context.Context, rounds int, benchtime time.Duration, write bool) error {
	results, err := measure(ctx, rounds, benchtime)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	fmt.Fprintf(&page, "%s on %s/%s, %d CPUs, %s; medians of %d rounds of %v.\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Now().Format(time.DateOnly), rounds, benchtime)
	if err := render(&page, results); err != nil {
		return err
	}
	if _, err := os.Stdout.Write(page.Bytes()); err != nil || !write {
		return err
	}
	return insert("README.md", page.String())
}

// measure compiles the benchmarks once and runs them round by round.
func measure(ctx context.Context, rounds int, benchtime time.Duration) (*results, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what the system cleans up, too
	binary := filepath.Join(dir, "bench.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil { //nolint:gosec // a folder of our own
		return nil, fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	r := newResults()
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		var out bytes.Buffer
		cmd := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench=.", "-test.benchtime="+benchtime.String()) //nolint:gosec // what was compiled above
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("round %d: %w\n%s", round+1, err, out.Bytes())
		}
		if err := r.read(&out); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Marks in a page between which the table stands.
const (
	startMark = "<!-- table -->\n"
	endMark   = "<!-- end of table -->\n"
)

var errNoMarks = errors.New("want the lines " + startMark[:len(startMark)-1] + " and " + endMark[:len(endMark)-1])

// insert replaces what stands between the marks in the file name.
func insert(name, table string) error {
	page, err := os.ReadFile(name) //nolint:gosec // README.md, or a test's
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(page, []byte(startMark))
	_, after, ok2 := bytes.Cut(rest, []byte(endMark))
	if !ok || !ok2 {
		return fmt.Errorf("%s: %w", name, errNoMarks)
	}
	var b bytes.Buffer
	for _, part := range [][]byte{before, []byte(startMark), []byte(table), []byte(endMark), after} {
		b.Write(part)
	}
	return os.WriteFile(name, b.Bytes(), 0o600)
}
