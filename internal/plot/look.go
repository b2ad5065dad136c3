package plot

import (
	"fmt"
	"strings"
)

// style gives the classes their looks. The colours were chosen to differ for
// readers with any of the common kinds of colour blindness and to have at least 3:1
// contrast to a white and to a nearly black ground; where two are close, the dashes
// and the marks differ.
const style = `<style>
.plot{--plot-ink:#1b1b1b;--plot-faint:#d8d8d8;--plot-shade:#00000014;--plot-b:#0072b2;--plot-0:#c24d00;--plot-1:#007a5c;--plot-2:#a8448d;--plot-3:#8a6d00;--plot-4:#6b6b6b;--plot-5:#6a51c4;--plot-6:#a32035}
@media (prefers-color-scheme:dark){.plot{--plot-ink:#e6e6e6;--plot-faint:#3c3c3c;--plot-shade:#ffffff1c;--plot-b:#5bb8f0;--plot-0:#f28a45;--plot-1:#38c39b;--plot-2:#e59ad0;--plot-3:#dfbf4a;--plot-4:#a9a9a9;--plot-5:#a796f2;--plot-6:#f07d8d}}
.plot{font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-size:13px}
.plot text{fill:var(--plot-ink)}.plot .plot-title{font-weight:600;font-size:14px}.plot .plot-note{font-size:12px}
.plot-axis{stroke:var(--plot-ink);fill:none}.plot-grid{stroke:var(--plot-faint);fill:none}.plot-span{fill:var(--plot-shade)}
.plot-line{fill:none;stroke-width:1.6;stroke-linejoin:round}.plot-line.plot-b{stroke-width:3.4}
.plot-mark{stroke:none}.plot-mark.plot-open{fill:none;stroke-width:1.6}
.plot-line.plot-b,.plot-open.plot-b{stroke:var(--plot-b)}.plot-mark.plot-b{fill:var(--plot-b)}
.plot-line.plot-0{stroke:var(--plot-0)}.plot-mark.plot-0{fill:var(--plot-0)}
.plot-line.plot-1{stroke:var(--plot-1);stroke-dasharray:7 3}.plot-mark.plot-1{fill:var(--plot-1)}
.plot-line.plot-2{stroke:var(--plot-2);stroke-dasharray:2 2}.plot-mark.plot-2{fill:var(--plot-2)}
.plot-line.plot-3{stroke:var(--plot-3);stroke-dasharray:10 3 2 3}.plot-mark.plot-3{fill:var(--plot-3)}
.plot-line.plot-4{stroke:var(--plot-4);stroke-dasharray:4 2}.plot-mark.plot-4{fill:var(--plot-4)}
.plot-line.plot-5{stroke:var(--plot-5);stroke-dasharray:12 3}.plot-mark.plot-5{fill:var(--plot-5)}
.plot-line.plot-6{stroke:var(--plot-6);stroke-dasharray:1 3}.plot-mark.plot-6{fill:var(--plot-6)}
</style>
`

// looks is how many lines that are not bold look different.
const looks = 7

// A look is how a line is drawn.
type look struct {
	bold  bool
	index int // below looks
}

func looksOf(lines []Line) []look {
	all := make([]look, len(lines))
	next := 0
	for i, l := range lines {
		all[i] = look{bold: l.Bold, index: next % looks}
		if !l.Bold {
			next++
		}
	}
	return all
}

func (k look) class() string {
	if k.bold {
		return "plot-b"
	}
	return fmt.Sprintf("plot-%d", k.index)
}

func (k look) line() string { return "plot-line " + k.class() }

// writeMark draws the mark of the look around a place.
func (k look) writeMark(b *strings.Builder, x, y float64) {
	const r = 3.2
	var d string
	switch {
	case k.bold:
		fmt.Fprintf(b, `<circle class="plot-mark %s" cx="%s" cy="%s" r="4"/>`+"\n", k.class(), num(x), num(y))
		return
	case k.index%4 == 0: // square
		d = fmt.Sprintf("M%s %sh%[3]sv%[3]sh-%[3]sz", num(x-r+0.3), num(y-r+0.3), num(2*r-0.6))
	case k.index%4 == 1: // triangle
		d = fmt.Sprintf("M%s %sL%s %sH%sz", num(x), num(y-r-0.5), num(x+r+0.3), num(y+r-0.5), num(x-r-0.3))
	case k.index%4 == 2: // diamond
		d = fmt.Sprintf("M%s %sL%s %sL%[1]s %[5]sL%[6]s %[4]sz", num(x), num(y-r-1), num(x+r+1), num(y), num(y+r+1), num(x-r-1))
	default: // triangle on its tip
		d = fmt.Sprintf("M%s %sL%s %sH%sz", num(x), num(y+r+0.5), num(x+r+0.3), num(y-r+0.5), num(x-r-0.3))
	}
	fmt.Fprintf(b, `<path class="plot-mark %s" d="%s"/>`+"\n", k.class(), d)
}
