package main

import (
	"math"
	"strconv"
)

// A report is what all runs gave, in the order in which it is shown.
type report struct {
	Command    string      `json:"command"` // that gives the same report
	Date       string      `json:"date"`
	Seeds      []uint64    `json:"seeds"`
	Loads      []float64   `json:"loads"` // as multiples of the capacity
	Models     []model     `json:"models,omitempty"`
	Transients []transient `json:"transients,omitempty"`
}

// A model is a kind of server, and how each policy did there.
type model struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Rows  []row  `json:"policies"`
}

// A row has the means over the seeds for each load.
type row struct {
	Policy   string   `json:"policy"`
	Goodput  []number `json:"goodput"`  // as a share of the ideal
	Shed     []number `json:"shed"`     // the share of the requests refused
	TopClass []number `json:"topClass"` // the goodput of the top class, as a share of its ideal
}

// A transient is a disturbance, and how each policy came through it.
type transient struct {
	Name  string   `json:"name"`
	About string   `json:"about"`
	From  float64  `json:"from"` // when it begins, in seconds
	To    float64  `json:"to"`   // when it ends, or the run if it stays
	Rows  []course `json:"policies"`
}

// A course is how it went: the means over the seeds.
type course struct {
	Policy    string   `json:"policy"`
	Recovery  number   `json:"recovery"`  // in seconds after the end of the disturbance, of the seed that took longest, or not a number if one did not
	Meanwhile number   `json:"meanwhile"` // the goodput in the disturbance as a share of the ideal
	TopClass  number   `json:"topClass"`  // that of the top class
	Attempts  number   `json:"attempts"`  // for each client
	Times     []number `json:"times"`     // in seconds
	Goodput   []number `json:"goodput"`   // at the times, as a share of the ideal
}

// A number may be NaN, which is null in JSON.
type number float64

func (n number) MarshalJSON() ([]byte, error) { //nolint:unparam // json.Marshaler has the error
	if !n.known() {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, math.Round(float64(n)*1e6)/1e6, 'g', -1, 64), nil
}

func (n number) known() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// share writes a share of the ideal. How far one is over 1 says little: it is of what
// could not be done at the time.
func (n number) share() string {
	const chance = 0.1
	switch {
	case !n.known():
		return "–"
	case n > 1+chance:
		return "over 1"
	}
	return strconv.FormatFloat(float64(n), 'f', 2, 64)
}

// percent writes a share so that a little is not nothing.
func (n number) percent() string {
	switch p := 100 * float64(n); {
	case !n.known():
		return "–"
	case p == 0:
		return "0"
	case p < 0.1:
		return "<0.1 %"
	case p < 10:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	default:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
}

func (n number) seconds() string {
	if !n.known() {
		return "never"
	}
	return strconv.FormatFloat(float64(n), 'f', 1, 64) + " s"
}
