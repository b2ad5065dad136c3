package main

import (
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// help says what the program does, its flags, and what they may name.
func help(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprint(w, `Lab compares limiters of load before simulated servers, in virtual time. All meet the
same requests; the same flags give the same numbers.

It prints what share of the ideal was answered in time under steady loads, what was
refused without need, how the most important class fared, and how long it took to
recover from disturbances. Interrupted, it prints nothing.

Usage: `+program+` [flags]

`)
	flags.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  -%s\n      %s\n", strings.TrimSpace(f.Name+" "+value), usage)
	})
	fmt.Fprint(w, "\nServers:\n")
	for _, m := range sim.Models() {
		fmt.Fprintf(w, "  %-12s  %s\n", m.Name, m.About)
	}
	fmt.Fprint(w, "\nDisturbances, of the pool:\n")
	for _, t := range sim.Transients() {
		fmt.Fprintf(w, "  %-12s  %s\n", t.Name, t.About)
	}
	var names []string
	for _, p := range policies() {
		names = append(names, p.Name)
	}
	fmt.Fprintf(w, "\nLimiters: %s.\n", strings.Join(names, ", "))
	fmt.Fprintf(w, "\nExample: %s -models=pool,shared-cpu -loads=0.8,1,2 -html=/tmp/lab.html\n", program)
}
