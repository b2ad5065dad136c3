// Lab compares firebreak's shedding of load with other limiters, in virtual time, and
// prints tables of what they let servers do. With -html it draws the same, too. Run it
// with -h for the flags.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: %s\nlab: -h shows the flags\n", strings.ReplaceAll(err.Error(), "\n", "\nlab: "))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err = o.run(ctx, os.Stdout, os.Stderr, time.Now())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

var errInterrupted = errors.New("interrupted, nothing is written")

// run does all that the options ask for.
func (o options) run(ctx context.Context, stdout io.Writer, stderr *os.File, now time.Time) error {
	var file *page
	if o.html != "" { // first: a file that cannot be written should not take minutes to be noticed
		var err error
		if file, err = newPage(o.html); err != nil {
			return err
		}
		defer file.discard()
	}
	p := o.plan()
	progress := newProgress(stderr, len(p.all))
	err := execute(ctx, p.all, progress.finished)
	progress.end()
	if err != nil {
		return errInterrupted
	}
	r := o.report(p, now)
	if file != nil {
		if err := file.publish(r); err != nil {
			return err
		}
	}
	if o.json {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.writeText(stdout)
}

// A page is a file that appears under its name only when it is complete.
type page struct {
	name      string
	temporary *os.File
}

func newPage(name string) (*page, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("-html is %q, want the name of a file", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".lab-*.html")
	if err != nil {
		return nil, fmt.Errorf("-html is %q, want a file that can be written: %w", name, err)
	}
	return &page{name, f}, nil
}

func (p *page) publish(r report) error {
	const readable = 0o644
	err := errors.Join(r.writeHTML(p.temporary), p.temporary.Chmod(readable), p.temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(p.temporary.Name(), p.name)
}

// discard removes what was not published.
func (p *page) discard() {
	_ = p.temporary.Close()
	_ = os.Remove(p.temporary.Name()) // published, it is not there
}
