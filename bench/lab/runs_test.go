package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

var day = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// small asks for little: one server, one disturbance, two limiters.
func small(t *testing.T, more ...string) options {
	t.Helper()
	o, err := parse(append([]string{"-models=pool", "-policies=firebreak,none", "-loads=0.8,2", "-transients=spike", "-seeds=2"}, more...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// stderr returns a file that is no terminal.
func stderr(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestRunIsTheSameAgain(t *testing.T) {
	var outputs [2]string
	for i := range outputs {
		previous := runtime.GOMAXPROCS(2 - i) // the order in which runs end differs
		var b bytes.Buffer
		if err := small(t, "-json").run(t.Context(), &b, stderr(t), day); err != nil {
			t.Fatal(err)
		}
		runtime.GOMAXPROCS(previous)
		outputs[i] = b.String()
	}
	if outputs[0] != outputs[1] {
		t.Errorf("got\n%s\nand\n%s", outputs[0], outputs[1])
	}
	var r struct {
		Date   string
		Models []struct {
			Policies []struct {
				Policy  string
				Goodput []float64
			}
		}
		Transients []struct {
			From, To float64
			Policies []struct {
				Recovery *float64
				Times    []float64
				Goodput  []float64
			}
		}
	}
	if err := json.Unmarshal([]byte(outputs[0]), &r); err != nil { //nolint:musttag // names are matched in any case
		t.Fatal(err)
	}
	both := r.Models[0].Policies
	if r.Date != "2026-01-02" || both[0].Policy != ours || both[0].Goodput[1] < 0.9 || both[1].Goodput[1] > 0.1 {
		t.Errorf("got %+v, want that we do well and the other does not", r.Models)
	}
	spike := r.Transients[0]
	if spike.From != 20 || spike.To != 30 || spike.Policies[0].Recovery == nil || spike.Policies[1].Recovery != nil {
		t.Errorf("got %+v, want that we recover and the other does not", spike)
	}
	if n := len(spike.Policies[0].Times); n != 60 || n != len(spike.Policies[0].Goodput) || spike.Policies[0].Times[0] != 0.5 {
		t.Errorf("got %d times, want one for each of 60 seconds", n)
	}
}

func TestAnInterruptedRunWritesNothing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lab.html")
	if err := os.WriteFile(name, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b bytes.Buffer
	if err := small(t, "-html="+name).run(ctx, &b, stderr(t), day); !errors.Is(err, errInterrupted) || b.Len() > 0 {
		t.Errorf("got %v and %q, want %v and nothing", err, b.String(), errInterrupted)
	}
	content, err := os.ReadFile(name)
	if err != nil || string(content) != "before" {
		t.Errorf("got %q and %v, want what was there", content, err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(name), "*")); len(files) != 1 {
		t.Errorf("got %v, want one file", files)
	}
}

func TestPageIsWritten(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lab.html")
	var b bytes.Buffer
	if err := small(t, "-html="+name, "-transients=none", "-loads=0.8").run(t.Context(), &b, stderr(t), day); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(name)
	if err != nil || !bytes.HasPrefix(content, []byte("<!DOCTYPE html>")) || !bytes.HasSuffix(content, []byte("</html>\n")) {
		t.Errorf("got %d bytes and %v, want a page", len(content), err)
	}
	if !strings.HasPrefix(b.String(), "pool: 16 workers") {
		t.Errorf("got %q, want the tables, too", b.String())
	}
}

// A name that cannot be written is noticed before anything runs.
func TestPageWithoutAPlace(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{dir, filepath.Join(dir, "missing", "lab.html")} {
		err := small(t, "-html="+name).run(t.Context(), nil, stderr(t), day)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "want") {
			t.Errorf("%s: got %v, want an error that names it", name, err)
		}
	}
}

func TestRecoveryIsTheLongestOfTheSeeds(t *testing.T) {
	spike := sim.Transients()[0]
	runs := func(recoveries ...time.Duration) []*run {
		var all []*run
		for _, r := range recoveries {
			all = append(all, &run{result: sim.Result{Recovered: r >= 0, Recovery: r}})
		}
		return all
	}
	if got := courseOf(spike, "", runs(time.Second, 3*time.Second, 2*time.Second)).Recovery; got != 3 {
		t.Errorf("got %v, want 3", got)
	}
	if got := courseOf(spike, "", runs(time.Second, -1, time.Second)).Recovery; got.known() {
		t.Errorf("got %v, want none: one did not recover", got)
	}
}

func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		terminal bool
		want     string
	}{
		{false, " 60 %  3 of 5 runs, 6s: c\n100 %  5 of 5 runs, 8s: e\n"},
		{true, "\r\x1b[K 20 %  1 of 5 runs, 2s: a\r\x1b[K 40 %  2 of 5 runs, 4s: b\r\x1b[K 60 %  3 of 5 runs, 6s: c\r\x1b[K 80 %  4 of 5 runs, 8s: d\r\x1b[K100 %  5 of 5 runs, 8s: e\r\x1b[K"},
	} {
		var b bytes.Buffer
		now := day
		p := &progress{w: &b, terminal: tt.terminal, total: 5, now: func() time.Time { return now }, begin: now, last: now}
		for i, what := range []string{"a", "b", "c", "d", "e"} {
			if i < 4 {
				now = now.Add(2 * time.Second)
			}
			p.finished(what)
		}
		p.end()
		if b.String() != tt.want {
			t.Errorf("terminal %t: got %q, want %q", tt.terminal, b.String(), tt.want)
		}
	}
}
