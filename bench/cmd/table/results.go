package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// results are the measurements of all rounds.
type results struct {
	groups []string            // "Do/serial", in the order of the benchmarks
	names  map[string][]string // of the contestants of a group, in order
	runs   map[string][]sample // by group and name
}

// sample is one line of go test -bench.
type sample struct{ ns, bytes, allocs float64 }

func newResults() *results {
	return &results{names: make(map[string][]string), runs: make(map[string][]sample)}
}

// read adds the output of a round.
func (r *results) read(out io.Reader) error {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "Benchmark") {
			continue
		}
		if err := r.add(lines.Text()); err != nil {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
	}
	return lines.Err()
}

// add adds a line such as
// "BenchmarkDo/serial/by_hand-2  62554  1796 ns/op  912 B/op  11 allocs/op".
func (r *results) add(line string) error {
	fields := strings.Fields(line)
	full := strings.TrimPrefix(fields[0], "Benchmark")
	cut := strings.LastIndexByte(full, '/')
	if cut < 0 || len(fields) != 8 || fields[3] != "ns/op" || fields[5] != "B/op" || fields[7] != "allocs/op" {
		return fmt.Errorf("%d fields, want name, count, ns/op, B/op and allocs/op", len(fields))
	}
	group, name := full[:cut], full[cut+1:]
	if i := strings.LastIndexByte(name, '-'); i >= 0 {
		if _, err := strconv.Atoi(name[i+1:]); err == nil { // the number of processors
			name = name[:i]
		}
	}
	name = strings.ReplaceAll(name, "_", " ")
	var s sample
	for i, value := range []*float64{&s.ns, &s.bytes, &s.allocs} {
		n, err := strconv.ParseFloat(fields[2+2*i], 64)
		if err != nil {
			return err
		}
		*value = n
	}
	if !slices.Contains(r.groups, group) {
		r.groups = append(r.groups, group)
	}
	if !slices.Contains(r.names[group], name) {
		r.names[group] = append(r.names[group], name)
	}
	r.runs[group+"/"+name] = append(r.runs[group+"/"+name], s)
	return nil
}

// median returns the median of what value says of each round.
func (r *results) median(group, name string, value func(sample) float64) float64 {
	return middle(r.runs[group+"/"+name], func(_ int, s sample) float64 { return value(s) })
}

// ratio returns the median of the ratios of the time of a to that of b in each
// round. It is not a number if they did not run equally often.
func (r *results) ratio(group, a, b string) float64 {
	runs, others := r.runs[group+"/"+a], r.runs[group+"/"+b]
	if len(runs) != len(others) {
		return math.NaN()
	}
	return middle(runs, func(i int, s sample) float64 { return s.ns / others[i].ns })
}

// middle returns the median of f over the runs, and not a number if there are none.
func middle(runs []sample, f func(int, sample) float64) float64 {
	values := make([]float64, len(runs))
	for i, s := range runs {
		values[i] = f(i, s)
	}
	slices.Sort(values)
	n := len(values)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return values[n/2]
	default:
		return (values[n/2-1] + values[n/2]) / 2
	}
}
