package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const firstRound = `goos: linux
BenchmarkRoundTrip/serial/firebreak-2        	   28226	      3000 ns/op	    1984 B/op	      14 allocs/op
BenchmarkRoundTrip/serial/by_hand-2          	   54338	      2000 ns/op	    1984 B/op	      19 allocs/op
BenchmarkRoundTrip/serial/go-retryablehttp-2 	  274077	       762.9 ns/op	     816 B/op	       8 allocs/op
BenchmarkDo/serial/firebreak                 	   28226	       100 ns/op	       7 B/op	       7 allocs/op
PASS
`

const secondRound = `BenchmarkRoundTrip/serial/firebreak-2    	   28226	      2000 ns/op	    1984 B/op	      14 allocs/op
BenchmarkRoundTrip/serial/by_hand-2          	   54338	      4000 ns/op	    1984 B/op	      19 allocs/op
BenchmarkRoundTrip/serial/go-retryablehttp-2 	  274077	       237.1 ns/op	     816 B/op	       8 allocs/op
BenchmarkDo/serial/firebreak                 	   28226	       101 ns/op	       7 B/op	       7 allocs/op
BenchmarkUnary/serial/firebreak-2            	   28226	      2100 ns/op	     700 B/op	       7 allocs/op
BenchmarkUnary/serial/failsafe-go-2          	   28226	      4200 ns/op	    1496 B/op	      28 allocs/op
BenchmarkShed/serial/firebreak-2             	   28226	       120 ns/op	       0 B/op	       0 allocs/op
BenchmarkShed/serial/go-zero-2               	   28226	       240 ns/op	      16 B/op	       1 allocs/op
BenchmarkShed/serial/limiter_alone-2         	   28226	        60 ns/op	       0 B/op	       0 allocs/op
`

func readRounds(t *testing.T, rounds ...string) *results {
	t.Helper()
	r := newResults()
	for _, round := range rounds {
		if err := r.read(strings.NewReader(round)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := render(&b, readRounds(t, firstRound, secondRound)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| RoundTrip through five policies, serial | firebreak | 2500 | 1984 | 14 |  |\n",
		"|  | by hand | 3000 | 1984 | 19 | 1.00 |\n", // of 1.5 and 0.5
		"|  | go-retryablehttp | 500 | 816 | 8 | 6.18 |\n",
		"| Do through five policies, serial | firebreak | 100 | 7 | 7 |  |\n",
		"| RoundTrip through five policies, serial: time to that of by hand | 1.25 | 1.00 | met |\n",
		"| Do through five policies, serial: allocations | 6 | 7 | **missed** |\n",
		"| RoundTrip through five policies, serial: allocations | 14 | 14 | met |\n",
		"| A call that an open breaker rejects, serial: allocations | 2 | not run | **missed** |\n",
		"| A call that a load shedder lets in at once, serial | firebreak | 120 | 0 | 0 |  |\n",
		"|  | go-zero | 240 | 16 | 1 | 0.50 |\n",
		"|  | limiter alone | 60 | 0 | 0 |  |\n",
		"| A gRPC call through four policies, serial: allocations | 7 | 7 | met |\n",
		"| A gRPC call through four policies, serial: allocations to those of failsafe-go | 0.50 | 0.25 | met |\n",
		"| A gRPC call served through shed, bulkhead and timeout, serial: allocations to those of failsafe-go | 0.50 | not run | **missed** |\n",
		"| A call that a load shedder lets in at once, serial: ns | 100 | 120 | **missed** |\n",
		"| A call that a load shedder lets in at once, serial, limiter alone: ns | 100 | 60 | met |\n",
		"| A call that a load shedder lets in at once, serial: allocations | 0 | 0 | met |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got\n%swant the line %s", b.String(), want)
		}
	}
}

func TestReadRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, line := range []string{
		"BenchmarkDo/serial/firebreak-2 10 3000 ns/op",
		"BenchmarkDo 10 3000 ns/op 7 B/op 7 allocs/op",
		"BenchmarkDo/serial/firebreak-2 10 many ns/op 7 B/op 7 allocs/op",
		"BenchmarkDo/serial/firebreak-2 10 3000 MB/s 7 B/op 7 allocs/op",
	} {
		if err := newResults().read(strings.NewReader(line)); err == nil {
			t.Errorf("%q: got no error, want one", line)
		}
	}
}

func TestMiddle(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{9, 1, 2, 4}, 3},
	} {
		runs := make([]sample, len(tt.values))
		got := middle(runs, func(i int, _ sample) float64 { return tt.values[i] })
		if got != tt.want {
			t.Errorf("median of %v: got %v, want %v", tt.values, got, tt.want)
		}
	}
}

func TestNothingHasNoMiddle(t *testing.T) {
	if got := middle(nil, nil); !math.IsNaN(got) {
		t.Errorf("got %v, want not a number", got)
	}
}

func TestInsert(t *testing.T) {
	name := filepath.Join(t.TempDir(), "README.md")
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n" + startMark + "old\n" + endMark + "after\n")
	if err := insert(name, "new\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if want := "before\n" + startMark + "new\n" + endMark + "after\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	write("no marks\n")
	if err := insert(name, "new\n"); err == nil {
		t.Error("got no error without marks, want one")
	}
}
