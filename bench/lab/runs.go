package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// A run is one simulation. Its result has a place of its own, so that the order in
// which the runs end changes nothing.
type run struct {
	what   string
	do     func() sim.Result
	result sim.Result
}

// quickLength is how long a quick run measures, as a share of a full one.
const quickLength = 0.4

// steady returns the runs of a model, a policy and a load, one for each seed.
func (o options) steady(m sim.Model, load float64, p sim.Maker) []*run {
	length := m.Length()
	if !o.full {
		length = time.Duration(quickLength * float64(length)).Round(sim.Step)
	}
	var runs []*run
	for _, seed := range o.seeds {
		runs = append(runs, &run{
			what: fmt.Sprintf("%s at %s, %s", m.Name, times(load), p.Name),
			do: func() sim.Result {
				r := sim.RunSteady(m, load, p, seed, length)
				r.Series = nil // nobody looks at it, and all together would fill the memory
				return r
			},
		})
	}
	return runs
}

func (o options) disturbed(t sim.Transient, p sim.Maker) []*run {
	var runs []*run
	for _, seed := range o.seeds {
		runs = append(runs, &run{
			what: fmt.Sprintf("%s, %s", t.Name, p.Name),
			do:   func() sim.Result { return sim.RunTransient(t, p, seed) },
		})
	}
	return runs
}

// plan is all runs of a report, by where they belong.
type plan struct {
	steady     [][][][]*run // by model, policy, load and seed
	transients [][][]*run   // by transient, policy and seed
	all        []*run
}

func (o options) plan() plan {
	p := plan{}
	for _, m := range o.models {
		var model [][][]*run
		for _, maker := range o.policies {
			var row [][]*run
			for _, load := range o.loads {
				runs := o.steady(m, load, maker)
				row = append(row, runs)
				p.all = append(p.all, runs...)
			}
			model = append(model, row)
		}
		p.steady = append(p.steady, model)
	}
	for _, t := range o.transients {
		var transient [][]*run
		for _, maker := range o.policies {
			runs := o.disturbed(t, maker)
			transient = append(transient, runs)
			p.all = append(p.all, runs...)
		}
		p.transients = append(p.transients, transient)
	}
	return p
}

// execute does the runs, as many at a time as there are CPUs. If ctx ends it returns
// its error, when those that have begun are done.
func execute(ctx context.Context, runs []*run, finished func(what string)) error {
	next := make(chan *run)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(runs)) {
		wg.Go(func() {
			for r := range next {
				r.result = r.do()
				finished(r.what)
			}
		})
	}
	defer wg.Wait()
	defer close(next)
	for _, r := range runs {
		select {
		case next <- r:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// report sums up the results of a plan.
func (o options) report(p plan, now time.Time) report {
	r := report{Command: o.command, Date: now.Format(time.DateOnly), Seeds: o.seeds, Loads: o.loads}
	for i, m := range o.models {
		shown := model{Name: m.Name, About: m.About}
		for j, maker := range o.policies {
			line := row{Policy: maker.Name}
			for _, runs := range p.steady[i][j] {
				line.Goodput = append(line.Goodput, average(runs, func(r sim.Result) float64 { return r.Goodput }))
				line.Shed = append(line.Shed, average(runs, func(r sim.Result) float64 { return r.Shed }))
				line.TopClass = append(line.TopClass, average(runs, func(r sim.Result) float64 { return r.TopClass }))
			}
			shown.Rows = append(shown.Rows, line)
		}
		r.Models = append(r.Models, shown)
	}
	for i, t := range o.transients {
		shown := transient{Name: t.Name, About: t.About, From: t.From().Seconds(), To: t.To().Seconds()}
		if t.From() == t.To() { // it stays
			shown.To = t.Length().Seconds()
		}
		for j, maker := range o.policies {
			shown.Rows = append(shown.Rows, courseOf(t, maker.Name, p.transients[i][j]))
		}
		r.Transients = append(r.Transients, shown)
	}
	return r
}

// bin is the time that one point of a course is the mean of. No load or capacity of a
// transient changes within it.
const bin = time.Second

func courseOf(t sim.Transient, policy string, runs []*run) course {
	until := t.To()
	if until == t.From() { // it stays
		until = t.Length()
	}
	c := course{
		Policy:    policy,
		Meanwhile: average(runs, func(r sim.Result) float64 { g, _ := goodput(r.Series, t.From(), until); return g }),
		TopClass:  average(runs, func(r sim.Result) float64 { _, top := goodput(r.Series, t.From(), until); return top }),
		Attempts:  average(runs, func(r sim.Result) float64 { return r.Attempts }),
	}
	for _, r := range runs {
		recovery := math.NaN()
		if r.result.Recovered {
			recovery = r.result.Recovery.Seconds()
		}
		c.Recovery = number(max(float64(c.Recovery), recovery)) // NaN stays
	}
	for at := time.Duration(0); at+bin <= t.Length(); at += bin {
		c.Times = append(c.Times, number((at + bin/2).Seconds()))
		c.Goodput = append(c.Goodput, average(runs, func(r sim.Result) float64 { return sim.Sum(r.Series, at, at+bin).Share() }))
	}
	return c
}

// goodput returns that of a stretch, of all and of the top class, as shares of the
// ideal of each second.
func goodput(series []sim.Point, from, to time.Duration) (all, top float64) {
	var good, ideal, topGood, topIdeal float64
	for at := from; at < to; at += bin {
		p := sim.Sum(series, at, at+bin)
		good += float64(p.Good)
		ideal += p.Ideal()
		topGood += float64(p.TopGood)
		topIdeal += min(float64(p.Top), p.Capacity)
	}
	return good / ideal, topGood / topIdeal
}

func average(runs []*run, of func(sim.Result) float64) number {
	var sum float64
	for _, r := range runs {
		sum += of(r.result)
	}
	return number(sum / float64(len(runs)))
}
