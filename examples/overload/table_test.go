package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fixedRows returns what a run might have counted.
func fixedRows() []row {
	const ms = time.Millisecond
	return []row{
		{
			load: 0.8, server: plain, lasted: 2 * time.Second, offered: [classes]int{40, 216}, p50: 51 * ms, p99: 88 * ms,
			counts: [classes][outcomes]int{{good: 40}, {good: 216}}, use: use{all: 13 * time.Second},
		},
		{
			load: 0.8, server: protected, lasted: 2 * time.Second, offered: [classes]int{40, 216}, p50: 9500 * time.Microsecond, p99: 90 * ms,
			counts: [classes][outcomes]int{{good: 40}, {good: 215, refused: 1}}, refusal: [2]time.Duration{ms, ms}, use: use{all: 13 * time.Second},
		},
		{
			load: 5, server: plain, lasted: 2 * time.Second, offered: [classes]int{240, 1360}, p50: time.Second, p99: 1123 * ms,
			counts: [classes][outcomes]int{{good: 1, late: 239}, {good: 2, late: 1350, failed: 8}}, capped: 5,
			use: use{all: 16 * time.Second, wasted: 15950 * ms}, lag: 120 * ms,
		},
		{
			load: 5, server: protected, lasted: 2 * time.Second, offered: [classes]int{240, 1360}, p50: 60 * ms, p99: 140 * ms,
			counts: [classes][outcomes]int{{good: 239, refused: 1}, {good: 77, refused: 1283}}, refusal: [2]time.Duration{300 * time.Microsecond, 480 * ms},
			use: use{all: 16 * time.Second, wasted: 40 * ms},
		},
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	rows := fixedRows()
	printHead(&out)
	for _, r := range rows {
		printRow(&out, r)
	}
	for _, text := range append(findings(rows), remarks(rows)...) {
		printWrapped(&out, text)
	}
	want, err := os.ReadFile("testdata/table.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("table, findings and remarks (-want +got):\n%s", d)
	}
	checkWidth(t, out.String())
}

// A run that ended early has findings of the loads that both servers had.
func TestFindingsOfAnEarlyEnd(t *testing.T) {
	rows := fixedRows()
	for n := range 2 {
		if got := findings(rows[:n]); got != nil {
			t.Errorf("of %d rows: got %q, want nothing", n, got)
		}
	}
	for n := 2; n < 4; n++ {
		if got := findings(rows[:n]); len(got) == 0 || !strings.HasPrefix(got[0], "At 0.8× ") {
			t.Errorf("of %d rows: got %q, want it to be of 0.8×", n, got)
		}
	}
}

func TestProgress(t *testing.T) {
	tl := newTally(protected, 5)
	for terminal, want := range map[bool]string{
		false: "",
		true:  "\r   5×  firebreak  warming up\x1b[K\r   5×  firebreak  3 came, 1 good, 1 refused, 1 wait\x1b[K\r\x1b[K",
	} {
		var out bytes.Buffer
		p := newProgress(&out)
		p.terminal = terminal
		p.show(tl)
		for range 3 {
			tl.come(critical, 0)
		}
		tl.leave(critical, good, 1)
		tl.leave(critical, refused, 1)
		p.show(tl)
		p.clear()
		if out.String() != want {
			t.Errorf("terminal %t: got %q, want %q", terminal, out.String(), want)
		}
		tl = newTally(protected, 5)
	}
}

func TestShare(t *testing.T) {
	for _, tt := range []struct {
		n, all int
		want   string
	}{{0, 0, "-"}, {0, 9, "0%"}, {1, 1000, "<1%"}, {1, 100, "1%"}, {1, 3, "33%"}, {999, 1000, ">99%"}, {9, 9, "100%"}} {
		if got := percent(tt.n, tt.all); got != tt.want {
			t.Errorf("percent(%d, %d): got %s, want %s", tt.n, tt.all, got, tt.want)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "-",
		time.Microsecond:         "0.1ms",
		1234 * time.Microsecond:  "1.2ms",
		12345 * time.Microsecond: "12ms",
		999 * time.Millisecond:   "999ms",
		time.Second:              "1.00s",
		12345 * time.Millisecond: "12.35s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%v): got %s, want %s", d, got, want)
		}
	}
}

// checkWidth checks that text fits a terminal.
func checkWidth(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if n := len([]rune(line)); n > width+1 {
			t.Errorf("a line of %d columns, want at most %d: %q", n, width+1, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("a line ends in spaces: %q", line)
		}
	}
}
