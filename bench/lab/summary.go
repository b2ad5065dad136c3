package main

import "math"

// ours is the name of firebreak among the policies.
const ours = "firebreak"

// policies returns the names of the policies, in order.
func (r report) policies() []string {
	var names []string
	switch {
	case len(r.Models) > 0:
		for _, row := range r.Models[0].Rows {
			names = append(names, row.Policy)
		}
	case len(r.Transients) > 0:
		for _, c := range r.Transients[0].Rows {
			names = append(names, c.Policy)
		}
	}
	return names
}

// lowest returns the lowest goodput at the capacity and over.
func (r report) lowest(row row) number {
	least := math.NaN()
	for i, load := range r.Loads {
		if g := float64(row.Goodput[i]); load >= 1 && !(g >= least) { // also if that is not a number yet
			least = g
		}
	}
	return number(least)
}

// falseSheds returns the highest share of refused requests up to 0.8 of the capacity,
// where a server has room for all.
func (r report) falseSheds(row row) number {
	most := math.NaN()
	for i, load := range r.Loads {
		if s := float64(row.Shed[i]); load <= roomFor && !(s <= most) { // also if that is not a number yet
			most = s
		}
	}
	return number(most)
}

const roomFor = 0.8

// topLoad returns the index of the load for the top class: the highest at which the
// server has room for it alone, or -1.
func (r report) topLoad() int {
	best := -1
	for i, load := range r.Loads {
		if load > 1 && load <= 5 && (best < 0 || load > r.Loads[best]) {
			best = i
		}
	}
	return best
}

func (r report) topClass(row row) number {
	if i := r.topLoad(); i >= 0 {
		return row.TopClass[i]
	}
	return number(math.NaN())
}
