package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/examples/internal/console"
	"github.com/firebreak-go/firebreak/examples/internal/database"
	"github.com/firebreak-go/firebreak/examples/internal/programtest"
)

// fixedRows returns what a run might have counted.
func fixedRows() []row {
	const ms = time.Millisecond
	return []row{
		{
			load: 0.8, server: plain, lasted: 2 * time.Second, offered: [classes]int{40, 216}, p50: 51 * ms, p99: 88 * ms,
			counts: [classes][outcomes]int{{good: 40}, {good: 216}}, use: database.Use{All: 13 * time.Second},
		},
		{
			load: 0.8, server: protected, lasted: 2 * time.Second, offered: [classes]int{40, 216}, p50: 9500 * time.Microsecond, p99: 90 * ms,
			counts: [classes][outcomes]int{{good: 40}, {good: 215, refused: 1}}, refusal: [2]time.Duration{ms, ms}, use: database.Use{All: 13 * time.Second},
		},
		{
			load: 5, server: plain, lasted: 2 * time.Second, offered: [classes]int{240, 1360}, p50: time.Second, p99: 1123 * ms,
			counts: [classes][outcomes]int{{good: 1, late: 239}, {good: 2, late: 1350, failed: 8}}, capped: 5,
			use: database.Use{All: 16 * time.Second, Wasted: 15950 * ms}, lag: 120 * ms,
		},
		{
			load: 5, server: protected, lasted: 2 * time.Second, offered: [classes]int{240, 1360}, p50: 60 * ms, p99: 140 * ms,
			counts: [classes][outcomes]int{{good: 239, refused: 1}, {good: 77, refused: 1283}}, refusal: [2]time.Duration{300 * time.Microsecond, 480 * ms},
			use: database.Use{All: 16 * time.Second, Wasted: 40 * ms},
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
		console.PrintText(&out, text)
	}
	want, err := os.ReadFile("testdata/table.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("table, findings and remarks (-want +got):\n%s", d)
	}
	programtest.CheckWidth(t, out.String())
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
		p.Terminal = terminal
		p.show(tl)
		for range 3 {
			tl.come(critical, 0)
		}
		tl.leave(critical, good, 1)
		tl.leave(critical, refused, 1)
		p.show(tl)
		p.Clear()
		if out.String() != want {
			t.Errorf("terminal %t: got %q, want %q", terminal, out.String(), want)
		}
		tl = newTally(protected, 5)
	}
}
